# SPDX-License-Identifier: Apache-2.0
#
# Builds, installs and tests the mod_lbx modules; `make help` is the table of contents.
# Needs GNU make.  Files are found by wildcards: a new .c file, module folder, unit test,
# scenario or example needs no line here.  What a target needs from the system is known
# by test/setup/need.sh, not by this file.
#
# Set on the command line as you like: CC, CFLAGS, LDFLAGS, APXS, PYTHON, DESTDIR,
# WERROR= (compiler warnings do not stop the build), V=1 (show the commands).

.DEFAULT_GOAL := modules
.DELETE_ON_ERROR:

# One goal builds on all processors; several goals keep the order they are given in.
ifneq ($(filter 0 1,$(words $(MAKECMDGOALS))),)
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
endif

# ---- tools -----------------------------------------------------------------------------

APXS         ?= $(shell command -v apxs || command -v apxs2 || echo apxs)
PYTHON       ?= $(firstword $(wildcard /usr/bin/python3) python3)
CLANG_FORMAT ?= $(shell command -v clang-format-14 || echo clang-format)
CFLAGS       ?= -O2 -g
WERROR       ?= -Werror
Q             = $(if $(V),,@)
say           = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

export APXS PYTHON CLANG_FORMAT
export PYTHONDONTWRITEBYTECODE = 1

# Asks a tool once, at first use: nothing is asked for targets that do not compile.
once = $(eval $(1) := $(2))$($(1))

# Of apxs' flags only what decides about the ABI counts: macros, machine options, threads.
# The headers of httpd and APR are system headers: their warnings are not ours.
APXS_FLAGS = $(call once,APXS_FLAGS,$(filter-out -D_FORTIFY_SOURCE%,$(filter -D% -U% -m% -pthread,$(shell \
	$(APXS) -q CFLAGS; $(APXS) -q EXTRA_CFLAGS; $(APXS) -q EXTRA_CPPFLAGS; $(APR_CONFIG) --cppflags))))
APXS_DIRS  = $(call once,APXS_DIRS,$(addprefix -isystem ,$(filter-out /usr/include,$(sort $(shell \
	$(APXS) -q INCLUDEDIR) $(patsubst -I%,%,$(filter -I%,$(shell \
	$(APR_CONFIG) --includes; $(APU_CONFIG) --includes)))))))
APR_CONFIG = $(call once,APR_CONFIG,$(shell $(APXS) -q APR_CONFIG 2>/dev/null || echo apr-1-config))
APU_CONFIG = $(call once,APU_CONFIG,$(shell $(APXS) -q APU_CONFIG 2>/dev/null || echo apu-1-config))
LIBEXECDIR = $(call once,LIBEXECDIR,$(shell $(APXS) -q LIBEXECDIR))
CHECK_LIBS = $(call once,CHECK_LIBS,$(shell pkg-config --libs check))
CHECK_DIRS = $(call once,CHECK_DIRS,$(shell pkg-config --cflags check))

# A request's way leads through a dozen files of a module: compiled as one where the
# compiler can.  Some compilers know the option and lack the linker's part.
WHOLE = $(call once,WHOLE,$(shell out=$$(mktemp) && echo 'int lbx;' | $(CC) -flto=auto -fno-plt \
	-fPIC -shared -Werror -x c -o $$out - 2>/dev/null && echo -flto=auto -fno-plt; rm -f $$out))

WARN  = -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wpointer-arith -Wvla
BASE  = -std=gnu11 $(WARN) -Iinclude -MMD -MP

# ---- modules ---------------------------------------------------------------------------

MODULES     := $(notdir $(basename $(wildcard mod_lbx_*/mod_lbx_*.c)))
MODULE_DIRS := $(patsubst %/,%,$(sort $(dir $(wildcard mod_lbx_*/*.c))))
PURE_C      := $(wildcard mod_lbx_*/lbx_*.c)

# A module that needs more than httpd says so here.
CPPFLAGS_mod_lbx_manager = $(call once,JANSSON_DIRS,$(shell pkg-config --cflags jansson)) -Ibuild/gen
LIBS_mod_lbx_manager     = $(call once,JANSSON_LIBS,$(shell pkg-config --libs jansson))
CPPFLAGS_mod_lbx_hcheck  = $(call once,CURL_DIRS,$(shell pkg-config --cflags libcurl libcrypto))
LIBS_mod_lbx_hcheck      = $(call once,CURL_LIBS,$(shell pkg-config --libs libcurl libcrypto))
LIBS_common = -Wl,--as-needed -lm

.PHONY: modules install
modules: $(MODULES:%=build/modules/%.so)

define MODULE_RULES
build/modules/$(1).so: $(patsubst %.c,build/obj/%.o,$(wildcard $(1)/*.c))
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -shared $$(CFLAGS) $$(WHOLE) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(LIBS_$(1)) $$(LIBS_common)

# The one file that may export something: httpd's macro for the module record does not
# set a visibility.  `make style` verifies that the record is all that is exported.
build/obj/$(1)/$(1).o: VISIBILITY = default
endef
$(foreach m,$(MODULES),$(eval $(call MODULE_RULES,$(m))))

VISIBILITY = hidden
build/obj/%.o: %.c Makefile | need
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(APXS_FLAGS) $(CPPFLAGS) $(CFLAGS) $(WHOLE) $(BASE) -fPIC \
		-fvisibility=$(VISIBILITY) $(APXS_DIRS) $(CPPFLAGS_$(firstword $(subst /, ,$<))) -c -o $@ $<

# The files that the manager serves are compiled into it.
MANAGER_ASSETS := $(wildcard mod_lbx_manager/page/*.css mod_lbx_manager/page/*.js) \
                  mod_lbx_manager/schema/api.schema.json
build/gen/mgr_assets_bytes.h: mod_lbx_manager/page/embed.sh $(MANAGER_ASSETS)
	$(call say,EMBED,$@)
	@mkdir -p $(@D)
	$(Q)sh $< $(MANAGER_ASSETS) > $@
build/obj/mod_lbx_manager/mgr_assets.o: build/gen/mgr_assets_bytes.h

install: modules
	install -d '$(DESTDIR)$(LIBEXECDIR)'
	install -m 644 $(MODULES:%=build/modules/%.so) '$(DESTDIR)$(LIBEXECDIR)'
	@echo 'Installed. The LoadModule lines are in conf/examples/lbx.conf.'

# ---- package for Debian and Ubuntu -----------------------------------------------------

DEB_TREE := build/deb/mod-lbx
.PHONY: deb deb-check clean-root-check
deb: need
	@rm -rf build/deb
	@mkdir -p $(DEB_TREE)
	@cp -R Makefile README.md LICENSE include conf test $(MODULE_DIRS) $(DEB_TREE)
	@mv $(DEB_TREE)/conf/debian $(DEB_TREE)/debian
	@cd $(DEB_TREE) && env -u MAKEFLAGS -u MAKELEVEL -u CFLAGS -u LDFLAGS dpkg-buildpackage -us -uc -b
	@rm -rf $(DEB_TREE)
	@lintian --fail-on error build/deb/*.changes
	@ls -l build/deb/*.deb

# In a bare Debian of their own (debootstrap, root): the package from installing to purging,
# and the README's two commands from nothing.
deb-check: deb
	@test/setup/root.sh deb
clean-root-check: need
	@test/setup/root.sh clean

# ---- what the system must offer --------------------------------------------------------

# NEED is inherited from the target that was asked for; plain builds only tell what is missing.
NEED = --tell build
.PHONY: need setup
need:
	@test/setup/need.sh $(NEED)
setup: NEED = check
setup: need
demo: NEED = demo
check: NEED = check
bench: NEED = bench
fuzz: NEED = fuzz
soak: NEED = soak
deb: NEED = deb
deb-check: NEED = deb
clean-root-check: NEED = deb

# ---- demo ------------------------------------------------------------------------------

.PHONY: demo
demo: need modules
	@$(PYTHON) test/demo/demo.py

# ---- unit tests: pure files only, three ways of compiling ------------------------------

UNIT_C  := $(wildcard test/unit/unit_*.c test/unit/test_*.c)
TSAN_C  := $(wildcard test/unit/tsan_*.c)
STRESS_C := $(wildcard test/unit/stress_*.c)
BENCH_C := $(wildcard test/bench/*.c)
RUN      = T='$(T)' test/setup/run.sh

comma   := ,

# The pure objects are an archive: a test that includes the whole of a .c file takes its
# place.  No httpd directory is on the include path here, and `border` links all of them
# against libc alone: a pure file that is not pure does not build.
define FLAVOUR_RULES
build/test/$(1)/%.o: %.c Makefile | need
	$$(call say,CC,$$< ($(1)))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -D_GNU_SOURCE $$(CPPFLAGS) -g $(2) $$(BASE) -I. $$(MODULE_DIRS:%=-I%) $$(CHECK_DIRS) \
		-fPIC -pthread -c -o $$@ $$<
build/test/$(1)/libpure.a: $$(PURE_C:%.c=build/test/$(1)/%.o)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) qcs $$@ $$^
build/test/$(1)/unit: $$(UNIT_C:%.c=build/test/$(1)/%.o) build/test/$(1)/libpure.a
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $(2) -pthread -o $$@ $$^ $$(CHECK_LIBS) -lm
build/test/$(1)/bin/%: build/test/$(1)/test/unit/%.o build/test/$(1)/libpure.a
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(2) -pthread -o $$@ $$^ -lm
endef
$(eval $(call FLAVOUR_RULES,plain,-O1 -DLBX_TESTING))
$(eval $(call FLAVOUR_RULES,fast,-O2))
$(eval $(call FLAVOUR_RULES,asan,-O1 -DLBX_TESTING -fsanitize=address$(comma)undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer))
$(eval $(call FLAVOUR_RULES,tsan,-O1 -DLBX_TESTING -fsanitize=thread))

build/test/border.so: build/test/plain/libpure.a
	$(Q)$(CC) -shared -Wl,--no-undefined -o $@ -Wl,--whole-archive $^ -Wl,--no-whole-archive -lm

build/test/unit: build/test/plain/unit
	$(Q)ln -sf plain/unit $@

build/test/fast/bin/%: build/test/fast/test/bench/%.o build/test/fast/libpure.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pthread -o $@ $^ -lm

.SECONDARY:
.PHONY: unit asan tsan stress bench
unit: build/test/border.so $(if $(UNIT_C),build/test/unit)
	@$(RUN) unit $(if $(UNIT_C),build/test/unit)
asan: $(if $(UNIT_C),build/test/asan/unit)
	@$(RUN) unit $^
tsan: $(TSAN_C:test/unit/%.c=build/test/tsan/bin/%)
	@$(RUN) programs $^
stress: $(STRESS_C:test/unit/%.c=build/test/plain/bin/%)
	@$(RUN) programs $^
bench: need $(BENCH_C:test/bench/%.c=build/test/fast/bin/%) modules labmod
	@for b in $(filter build/test/fast/bin/bench_%,$^) $(wildcard test/bench/run.sh); do echo "== $$b" && $$b || exit 1; done
	@$(if $(wildcard test/bench/run.py),$(PYTHON) test/bench/run.py)
	@echo '== requests of a session' && $(PYTHON) test/bench/sticky.py
	@echo '== the manager with 1,000 members' && $(PYTHON) test/bench/manager.py
	@echo '== the figures of conf/examples/tuning.conf' && $(PYTHON) test/bench/tuning.py

# ---- long runs -------------------------------------------------------------------------

# Each fuzz_<name>.c is one target: a parser of bytes that strangers send.  One that needs
# a library says so in a line "links: -lname".
FUZZ_CC      ?= $(shell command -v clang || command -v clang-14 || echo clang)
FUZZ_SECONDS ?= 60
FUZZ_C       := $(wildcard test/fuzz/fuzz_*$(T)*.c)

.PHONY: fuzz soak
fuzz: need $(FUZZ_C:test/fuzz/%.c=build/test/fuzz/%)
	@for f in $(filter build/test/fuzz/%,$^); do mkdir -p $$f.corpus && echo "== $$f" && \
		$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 $$f.corpus || exit 1; done

build/test/fuzz/%: test/fuzz/%.c $(PURE_C) $(wildcard mod_lbx_*/lbx_*.h include/lbx_*.h)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-Iinclude $(addprefix -I,$(MODULE_DIRS)) -o $@ $< $(PURE_C) \
		$$(sed -n 's/.*links: *//p' $<) -lm -pthread

# The manager's page in Chromium, which is large: not part of `make check`.  Pictures are kept
# in build/test/browser.
.PHONY: browser
browser: NEED = browser
browser: need modules labmod
	@$(PYTHON) -m pytest -q -p no:cacheprovider test/browser $(if $(T),-k '$(T)')

# The promises at full length, with figures: each program of test/soak is one run.
soak: need modules labmod
	@for f in $(wildcard test/soak/soak_*$(T)*.py); do echo "== $$f" && $(PYTHON) $$f || exit 1; done

# ---- tests on a real httpd -------------------------------------------------------------

.PHONY: order examples scenario labmod
order: modules
	@$(PYTHON) test/order/order.py
examples: modules
	@$(PYTHON) test/order/examples.py
scenario: modules labmod
	@T='$(T)' $(PYTHON) test/setup/scenarios.py

LAB_C := $(wildcard test/scenario/lab/mod_lbx_lab.c)
labmod: $(if $(LAB_C),build/test/mod_lbx_lab.so)
build/test/mod_lbx_lab.so: build/obj/test/scenario/lab/mod_lbx_lab.o
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(LDFLAGS) -o $@ $^
build/obj/test/scenario/lab/mod_lbx_lab.o: VISIBILITY = default

# ---- style -----------------------------------------------------------------------------

.PHONY: style format
style:
	@$(PYTHON) test/style/style.py
format:
	$(CLANG_FORMAT) -i $(wildcard include/*.h mod_lbx_*/*.[ch] test/unit/*.[ch] test/bench/*.[ch] \
		test/fuzz/*.[ch] test/scenario/lab/*.[ch])

# ---- everything ------------------------------------------------------------------------

.PHONY: check clean help
check: need
	@T='$(T)' MAKE='$(MAKE)' $(PYTHON) test/setup/check.py

clean:
	rm -rf build

help:
	@echo 'make               build the modules into build/modules'
	@echo 'make install       copy them to where httpd looks for modules (DESTDIR= honoured)'
	@echo 'make demo          a balancer with three backends to look at; DEMO_SECONDS=n stops it'
	@echo 'make check         everything below down to "scenario"; installs what is missing'
	@echo 'make check T=name  only the unit tests or scenarios of that name'
	@echo '  make style         layout, includes, banned calls, sizes, exported symbols'
	@echo '  make unit          unit tests of the pure files (T=name: one test case)'
	@echo '  make asan          the same under the address and undefined-behaviour sanitizers'
	@echo '  make tsan          threads on the pure files under the thread sanitizer'
	@echo '  make order         load orders, missing siblings, stock modules loaded as well'
	@echo '  make examples      starts each file of conf/examples and asks it for a page'
	@echo '  make scenario      scenarios on a real httpd (T=name: one)'
	@echo 'make stress        processes on the shared memory, some of them killed'
	@echo 'make soak          what is promised, at full length (T=name: one run)'
	@echo 'make browser       the manager'\''s page in headless Chromium (T=name), with pictures'
	@echo 'make fuzz          strangers'\'' bytes into the parsers (T=name, FUZZ_SECONDS=600)'
	@echo 'make bench         how fast it is'
	@echo 'make format        lay out the C code'
	@echo 'make deb            a package for Debian and Ubuntu, in build/deb'
	@echo 'make deb-check      installs, uses, upgrades and purges it in a bare root (as root)'
	@echo 'make clean-root-check  the two commands of the README in a bare root (as root)'
	@echo 'make setup         only install what `make check` needs'
	@echo 'make clean         remove build/'

-include $(shell find build/obj build/test -name '*.d' -type f 2>/dev/null)
