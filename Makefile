# `make bpf` builds src/proctop/kernel/bpf/proctop.bpf.o, which is committed: no compiler is needed to install proctop.
# The bytes depend on the source and on the compiler only (Debian 12: apt-get install clang llvm libbpf-dev), not on the place or the
# machine; tests/unit/test_bpf_object.py builds it again and compares. BPF is its own architecture: one object serves x86_64 and arm64.
CLANG ?= clang
STRIP ?= llvm-strip
BPF := src/proctop/kernel/bpf
OUT ?= $(BPF)/proctop.bpf.o

.PHONY: bpf
bpf:
	cd $(BPF) && $(CLANG) --target=bpf -O2 -g -fno-addrsig -fdebug-compilation-dir=. -Wall -Wextra -Werror \
		-c proctop.bpf.c -o $(abspath $(OUT)).new
	$(STRIP) --strip-debug --remove-section=.rel.BTF --remove-section=.rel.BTF.ext $(OUT).new
	mv $(OUT).new $(OUT)
