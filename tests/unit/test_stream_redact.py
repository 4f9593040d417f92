from __future__ import annotations

import pytest

from proctop.stream.redact import redact

SECRETS = [
    ("app --password=hunter2", "app --password=***"),
    ("app --password hunter2 --port 80", "app --password *** --port 80"),
    ("app --db-password=hunter2 x", "app --db-password=*** x"),
    ("app --api-key hunter2", "app --api-key ***"),
    ("app --apikey=hunter2", "app --apikey=***"),
    ("app --client-secret hunter2", "app --client-secret ***"),
    ("app --auth-token=hunter2", "app --auth-token=***"),
    ("app -token hunter2", "app -token ***"),
    ("java -Djavax.net.ssl.keyStorePassword=hunter2 -jar x.jar", "java -Djavax.net.ssl.keyStorePassword=*** -jar x.jar"),
    ("java -Dspring.datasource.password=hunter2 Main", "java -Dspring.datasource.password=*** Main"),
    ("someprog -p hunter2", "someprog -p ***"),
    ("mysql -u root -phunter2 shop", "mysql -u root -p*** shop"),
    ("/usr/bin/mysqldump -phunter2 --all-databases", "/usr/bin/mysqldump -p*** --all-databases"),
    ("sshpass -p hunter2 ssh -p 2222 me@host", "sshpass -p *** ssh -p 2222 me@host"),
    ("sshpass -phunter2 ssh me@host", "sshpass -p*** ssh me@host"),
    ("sudo sshpass -p 12345678 ssh me@host", "sudo sshpass -p *** ssh me@host"),
    ("redis-cli -h db -a hunter2 PING", "redis-cli -h db -a *** PING"),
    ("redis-server *:6379 --requirepass hunter2 --port 6379", "redis-server *:6379 --requirepass *** --port 6379"),
    ("app --dbpass=hunter2", "app --dbpass=***"),
    ("redis-cli --pass hunter2 PING", "redis-cli --pass *** PING"),
    ("curl -u alice:hunter2 http://host/x", "curl -u alice:*** http://host/x"),
    ("curl -ualice:hunter2 http://host/x", "curl -ualice:*** http://host/x"),
    ("curl --user=alice:hunter2 http://host/x", "curl --user=alice:*** http://host/x"),
    ("curl --proxy-user alice:hunter2 http://host", "curl --proxy-user alice:*** http://host"),
    ("curl -H Authorization: Bearer hunter2 http://host", "curl -H Authorization: Bearer *** http://host"),
    ("curl -H X-Api-Key: hunter2 http://host", "curl -H X-Api-Key: *** http://host"),
    ("curl -H PRIVATE-TOKEN: hunter2 http://host", "curl -H PRIVATE-TOKEN: *** http://host"),
    ("curl https://alice:hunter2@host/x", "curl https://alice:***@host/x"),
    ("curl https://alice:hunt@er2@host/x", "curl https://alice:***@host/x"),
    ("git clone https://oauth2:hunter2@git.example/x.git", "git clone https://oauth2:***@git.example/x.git"),
    ("psql postgresql://app:hunter2@db:5432/shop", "psql postgresql://app:***@db:5432/shop"),
    ("redis-cli -u redis://:hunter2@db", "redis-cli -u redis://:***@db"),
    ("wget https://host/x?a=1&access_token=hunter2&b=2", "wget https://host/x?a=1&access_token=***&b=2"),
    ("env PGPASSWORD=hunter2 psql -h db", "env PGPASSWORD=*** psql -h db"),
    ("env MYSQL_PWD=hunter2 mysql", "env MYSQL_PWD=*** mysql"),
    ("env REDISCLI_AUTH=hunter2 redis-cli", "env REDISCLI_AUTH=*** redis-cli"),
    ("sh -c AWS_SECRET_ACCESS_KEY=hunter2 aws s3 ls", "sh -c AWS_SECRET_ACCESS_KEY=*** aws s3 ls"),
    ("docker run -e GITHUB_TOKEN=hunter2 -p 8080:80 img", "docker run -e GITHUB_TOKEN=*** -p 8080:80 img"),
    ("docker login -u me -p hunter2 registry", "docker login -u me -p *** registry"),
    ("mongosh -u root -p hunter2", "mongosh -u root -p ***"),
    ("ldapsearch -x -w hunter2 -b dc=example", "ldapsearch -x -w *** -b dc=example"),
    ("smbclient -U alice%hunter2 //host/share", "smbclient -U alice%*** //host/share"),
    ("openssl rsa -passin pass:hunter2 -in k.pem", "openssl rsa -passin pass:*** -in k.pem"),
    ("7z x -phunter2 a.7z", "7z x -p*** a.7z"),
    ("ipmitool -H bmc -P hunter2 power status", "ipmitool -H bmc -P *** power status"),
    ("nmcli dev wifi connect home password hunter2", "nmcli dev wifi connect home password ***"),
    ("kubectl create secret generic x --from-literal=password=hunter2", "kubectl create secret generic x --from-literal=password=***"),
    ("terraform apply -var=db_password=hunter2", "terraform apply -var=db_password=***"),
    ("helm install a --set auth.password=hunter2,auth.user=x", "helm install a --set auth.password=***"),
    ("aws configure set aws_secret_access_key hunter2", "aws configure set aws_secret_access_key ***"),
    ("ssh-keygen -t ed25519 -N hunter2 -f key", "ssh-keygen -t ed25519 -N *** -f key"),
    ("env SECRET_KEY_BASE=hunter2 rails server", "env SECRET_KEY_BASE=*** rails server"),
    ("app --login hf_abcdefghijklmnopqrstuvwxyzABCDEF", "app --login ***"),
    ("mongod mongodb+srv://u:hunter2@c.example/db", "mongod mongodb+srv://u:***@c.example/db"),
    ("gpg --batch --passphrase hunter2 -d f", "gpg --batch --passphrase *** -d f"),
    ("curl --oauth2-bearer hunter2 http://h", "curl --oauth2-bearer *** http://h"),
    ("xfreerdp /u:alice /p:hunter2 /v:host", "xfreerdp /u:alice /p:*** /v:host"),
    ("gh api -X ghp_0123456789abcdefghijABCDEFGHIJ012345", "gh api -X ***"),
    ("app AKIAABCDEFGHIJKLMNOP", "app ***"),
    ("app eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_123", "app ***"),
    ('curl -d {"user":"a","password":"hunter2"} http://h', 'curl -d {"user":"a","password":"***"} http://h'),
]

FRIENDS = [
    "docker run -p 8080:80 nginx",
    "docker run -d -p 127.0.0.1:5432:5432/tcp postgres",
    "ssh -p 2222 me@host",
    "mkdir -p /a/b",
    "mkdir -p build",
    "cp -p a b",
    "ps -p 123",
    "server -p 8080",
    "server -p /run/server.pid",
    "server -p 10.0.0.1:80",
    "mysql -p shop",
    "mysql -u root -P 3307 shop",
    "app --password-file /etc/app/pw",
    "app --password-file=/etc/app/pw",
    "app --token-ttl 30",
    "app --tokenizer bert",
    "app --no-password x",
    "app --ask-password x",
    "app --bypass cache",
    "env PWD=/home/me OLDPWD=/ app",
    "curl -u alice http://host/x",
    "curl https://host:8443/a@b",
    "curl http://host/?page=2&sort=name",
    "git clone git@github.com:a/b.git",
    "ssh-agent -a /run/agent.sock",
    "redis-server *:6379",
    "postgres: app shop 10.0.0.7(51234) idle",
    "python -m pass_through --mode=compass",
    "grep -r secret /etc",
    "tmux new -s monkey",
    "sort --key=2 file",
    "cargo build -p proctop",
    "/usr/bin/keyboard --layout=us",
    "python train.py --max-tokens=512 --num-key-value-heads 8",
    "app --keyfile /x --key /etc/k.pem --secret-name db",
    "kubectl run a --overrides=spec=x=y --env=PAGE=2",
    "env ANSIBLE_VAULT_PASSWORD_FILE=/x ansible-playbook site.yml",
    "ssh-keygen -l -f key.pub",
    "aws s3 cp s3://a/aws_backup .",
    "cat half_hf_model",
    "",
]


@pytest.mark.parametrize(("command", "expected"), SECRETS)
def test_secrets_go(command: str, expected: str) -> None:
    assert redact(command) == expected


def test_the_word_at_which_a_command_line_is_cut_goes() -> None:
    whole = f"java {'-cp ' * 1018}jdbc:x://me:hunter2@db"
    assert len(whole) > 4096
    assert redact(whole[:4096]) == f"java {'-cp ' * 1018}"


@pytest.mark.parametrize("command", FRIENDS)
def test_false_friends_stay(command: str) -> None:
    assert redact(command) == command


@pytest.mark.parametrize(("command", "expected"), SECRETS)
def test_once_is_enough(command: str, expected: str) -> None:
    assert redact(expected) == expected


@pytest.mark.parametrize("piece", ["x-key", "-p ", "a://", "eyJ-", "password:", "token=", "&a&", "x-", "a.", "-----BEGIN ", "--password "])
def test_long_and_hostile_lines_come_back(piece: str) -> None:
    assert isinstance(redact(piece * (4096 // len(piece))), str)
