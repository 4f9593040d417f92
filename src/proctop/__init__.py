"""proctop: ranks the processes of a Linux host by how unlike their own normal they behave."""

__version__ = "0.1.0"
