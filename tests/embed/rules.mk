# SPDX-License-Identifier: BSD-2-Clause
# The component, and the example of how to take it; a part of the Makefile.

# One object for all of the component: what it needs beyond itself are its undefined symbols.
define embed_rules
$(BUILD)/embed/$(1)/%.c.o: %.c $(BUILD)/flags
	@mkdir -p $$(@D)
	@echo '  CC      $$< ($(1))'
	@$(1) $(EMBED_FLAGS) -c -o $$@ $$<

$(BUILD)/embed/$(1)/component.o: $(call objects,embed/$(1),$(EMBED_COMPONENT))
	@ld -r -o $$@ $$^

$(BUILD)/embed/$(1)/example: $(call objects,embed/$(1),$(EMBED_EXAMPLE)) $(BUILD)/embed/$(1)/component.o
	@$(1) $(EMBED_FLAGS) -o $$@ $$^
endef
$(foreach compiler,$(EMBED_COMPILERS),$(eval $(call embed_rules,$(compiler))))

$(BUILD)/embed/sanitized/example: $(call objects,host,$(EMBED_EXAMPLE)) $(BUILD)/host/library.a
	@mkdir -p $(@D)
	@$(HOST_CC) $(HOST_FLAGS) -o $@ $^

-include $(patsubst %.o,%.d,$(call objects,host,$(EMBED_EXAMPLE)) \
    $(foreach compiler,$(EMBED_COMPILERS), \
        $(call objects,embed/$(compiler),$(EMBED_COMPONENT) $(EMBED_EXAMPLE))))
