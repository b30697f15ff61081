# Build, install and test deep_learning; "make help" lists the targets.
#
# Everything that is built goes to build/, but for what PGXS wants here:
# deep_learning.so and deep_learning--VERSION.sql.

.DEFAULT_GOAL := all

PG_CONFIG ?= pg_config
FUZZ_SECONDS ?= 60
export PG_CONFIG FUZZ_SECONDS

EXTENSION = deep_learning
MODULE_big = deep_learning
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)

# The library knows nothing of PostgreSQL; the extension is built around it.
LIB_SRCS := $(sort $(foreach d,core ops cpu nn data format model,$(wildcard src/$(d)/*.c)))
PG_SRCS := $(sort $(wildcard src/pg/*.c))
PG_OBJS := $(PG_SRCS:src/%.c=build/%.o)
OBJS := $(PG_OBJS) $(LIB_SRCS:src/%.c=build/release/%.o)

SQL_PARTS := $(sort $(wildcard src/sql/[0-9][0-9]_*.sql))
DATA_built = $(EXTENSION)--$(EXTVERSION).sql
DATA := $(wildcard src/sql/updates/*.sql)

REGRESS := $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
EXTRA_CLEAN = build results regression.diffs regression.out

WARNINGS = -Wall -Wextra -Werror -Wvla
HARDENING = -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2
ARITHMETIC = -fno-math-errno -ffp-contract=off -fno-trapping-math
LIB_LINK = -ljansson -lm -ldl -lpthread

# --- the library and its test programs, once for each way of building them --

LIB_CFLAGS = -std=gnu11 -g $(WARNINGS) $(ARITHMETIC) -fvisibility=hidden -fPIC -fno-omit-frame-pointer \
	-Isrc -MMD -MP
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all

release_CC = $(CC)
release_FLAGS = -O2 $(HARDENING)
asan_CC = gcc
asan_FLAGS = -O1 $(SANITIZE)
fuzz_CC = clang
fuzz_FLAGS = -O1 -fsanitize=fuzzer-no-link $(SANITIZE)
coverage_CC = clang
coverage_FLAGS = -O0 -fsanitize=fuzzer-no-link -fprofile-instr-generate -fcoverage-mapping

# Instructions that not every compiler and assembler knows: $(call knows,COMPILER,OPTION,INSTRUCTION,MACRO).
knows = $(shell echo 'void f(void) { __asm__ volatile ("$(3)"); }' | $(1) $(2) -x c -c -o /dev/null - 2>/dev/null && echo -D$(4))
bfloat16 = $(call knows,$(1),-mavx512bf16,vdpbf16ps %zmm0$(comma) %zmm1$(comma) %zmm2,DL_HAVE_AVX512_BF16) \
	$(call knows,$(1),-mamx-tile -mamx-bf16,tdpbf16ps %tmm0$(comma) %tmm1$(comma) %tmm2,DL_HAVE_AMX_BF16)
comma = ,
release_BFLOAT16 := $(call bfloat16,$(release_CC))
asan_BFLOAT16 := $(if $(filter $(release_CC),$(asan_CC)),$(release_BFLOAT16),$(call bfloat16,$(asan_CC)))
fuzz_BFLOAT16 := $(call bfloat16,$(fuzz_CC))
coverage_BFLOAT16 := $(fuzz_BFLOAT16)
release_FLAGS += $(release_BFLOAT16)
asan_FLAGS += $(asan_BFLOAT16)
fuzz_FLAGS += $(fuzz_BFLOAT16)
coverage_FLAGS += $(coverage_BFLOAT16)

# The last of several -O holds.
build/release/cpu/%.o: release_FLAGS += -O3
# Vectors of square roots.
build/release/data/text.o: release_FLAGS += -O3
# Loops over all values of the training rows.
build/release/data/distribution.o: release_FLAGS += -O3
# Loops over all weights.
build/release/model/model_decode.o: release_FLAGS += -O3
# Loops over the columns of every row that is scored.
build/pg/column_run.o: CFLAGS += -O3
# Loops over the elements of arrays.
build/pg/encode.o: CFLAGS += -O3

UNIT_SRCS := $(sort $(wildcard test/unit/*.c))
UNIT_HELPERS := $(filter-out test/unit/test_%,$(UNIT_SRCS))
UNIT_TESTS := $(patsubst test/unit/%.c,%,$(filter test/unit/test_%,$(UNIT_SRCS)))
# Kernels are also tested as they are shipped.
UNIT_RELEASE := $(filter test_kernel% test_cpu% test_blas% test_backend% test_gradient%,$(UNIT_TESTS))
FUZZ_TARGETS := $(patsubst test/fuzz/%.c,%,$(sort $(wildcard test/fuzz/fuzz_*.c)))

library_release = build/libdl.a
library_asan = build/asan/libdl.a
library_fuzz = build/fuzz/libdl.a
library_coverage = build/coverage/libdl.a

# $(call flavour,NAME): build/NAME/{core,ops,...}/*.o, their archive, and test objects.
define flavour
build/$(1)/%.o: src/%.c Makefile
	@mkdir -p $$(@D)
	$$($(1)_CC) $$(LIB_CFLAGS) $$($(1)_FLAGS) -c -o $$@ $$<

build/$(1)/test/%.o: test/%.c Makefile
	@mkdir -p $$(@D)
	$$($(1)_CC) $$(LIB_CFLAGS) $$($(1)_FLAGS) -c -o $$@ $$<

$$(library_$(1)): $$(LIB_SRCS:src/%.c=build/$(1)/%.o)
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^

build/$(1)/unit/%: build/$(1)/test/unit/%.o $$(UNIT_HELPERS:%.c=build/$(1)/%.o) $$(library_$(1))
	@mkdir -p $$(@D)
	$$($(1)_CC) $$($(1)_FLAGS) -o $$@ $$^ $$(LIB_LINK)

build/$(1)/target/%: build/$(1)/test/fuzz/%.o $$(library_$(1))
	@mkdir -p $$(@D)
	$$($(1)_CC) $$(subst fuzzer-no-link,fuzzer,$$($(1)_FLAGS)) -o $$@ $$^ $$(LIB_LINK)
endef
$(foreach f,release asan fuzz coverage,$(eval $(call flavour,$(f))))

.SECONDARY:

# --- the extension -----------------------------------------------------------

# Headers of the server are system headers, so that our warnings are about our code.
PG_CPPFLAGS = -isystem $(shell $(PG_CONFIG) --includedir-server 2>/dev/null) -Isrc
PG_CFLAGS = -std=gnu11 $(WARNINGS) $(HARDENING) $(ARITHMETIC) -fvisibility=hidden \
	-Wno-declaration-after-statement -Wno-unused-parameter
# The server was most likely configured for gcc, whose options clang only warns about.
PG_CFLAGS += $(if $(findstring clang,$(CC)),-Wno-ignored-optimization-argument -Wno-unknown-warning-option)
SHLIB_LINK = -Wl,-z,relro,-z,now $(LIB_LINK)
override with_llvm := no

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
else
all install installcheck: no-server-headers
no-server-headers:
	@echo 'The headers of the PostgreSQL server are missing: run "make setup" first.' >&2; false
clean:
	rm -rf $(EXTRA_CLEAN) $(DATA_built) $(MODULE_big).so
.PHONY: no-server-headers
endif

build/pg/%.o: src/pg/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$(DATA_built): $(SQL_PARTS) $(EXTENSION).control Makefile
	cat $(SQL_PARTS) > $@.tmp
	mv $@.tmp $@

-include $(shell find build -name '*.d' 2>/dev/null)

# --- tests -------------------------------------------------------------------

unit-programs: $(UNIT_TESTS:%=build/asan/unit/%) $(UNIT_RELEASE:%=build/release/unit/%)
fuzz-programs: $(FUZZ_TARGETS:%=build/fuzz/target/%)
coverage-programs: $(FUZZ_TARGETS:%=build/coverage/target/%)

unit: unit-programs
	test/unit.sh

fuzz: fuzz-programs
	test/fuzz.sh

coverage: coverage-programs
	test/coverage.sh

lint: all
	test/lint.sh

setup:
	test/setup.sh all

demo:
	test/setup.sh build
	test/demo.sh

test:
	test/setup.sh all
	test/run.sh

test-long:
	test/setup.sh all
	test/run.sh long

BENCH_PROGRAMS := $(patsubst bench/%.c,build/bench/%,$(sort $(wildcard bench/*.c)))

$(BENCH_PROGRAMS): build/bench/%: bench/%.c build/libdl.a Makefile
	@mkdir -p $(@D)
	$(CC) $(LIB_CFLAGS) $(release_FLAGS) -o $@ $< build/libdl.a $(LIB_LINK)

bench: all $(BENCH_PROGRAMS)
	bench/run.sh $(BENCH)

bench-tables: all $(BENCH_PROGRAMS)
	bench/run.sh tables

format:
	find src test bench gpu -name '*.[ch]' | xargs clang-format -i

help:
	@echo 'make              build the extension (needs postgresql-server-dev and libjansson-dev)'
	@echo 'make install      install it into the server that pg_config names'
	@echo 'make installcheck run the regression tests against a running server'
	@echo 'make setup        install the Debian packages that are missing'
	@echo 'make demo         set up, build, install, and show it at work on a throw-away server'
	@echo 'make test         all tests (CI); "test/run.sh STAGE..." runs some of them'
	@echo 'make test-long    what takes longer (40 minutes and more): fuzzing, a thousand cancels, 300 kill -9, test/long'
	@echo 'make unit         unit tests of the library under ASan and UBSan, kernels also as shipped'
	@echo 'make fuzz         each fuzz target for FUZZ_SECONDS (60)'
	@echo 'make coverage     lines of the validators of src/format that the fuzz corpus reaches'
	@echo 'make lint         the rules of the source tree'
	@echo 'make bench        benchmarks; BENCH=name,name runs some (arithmetic, table, predict, costs, scoring, cache, tables, ablation)'
	@echo 'make format       clang-format over the C sources'
	@echo 'make clean        remove what was built'

.PHONY: unit unit-programs fuzz fuzz-programs coverage coverage-programs lint setup demo test test-long bench bench-tables format help
