/* An Arm Cortex-M4F, emulated as qemu-system-arm -machine mps2-an386: text by semihosting. */
#include "board.h"

#include <stdint.h>

extern uint32_t stack_top[], data_start[], data_end[], data_source[], bss_start[], bss_end[];

static int semihosting(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void put(const char *text) { semihosting(0x04, text); }

void end(int code) {
    /* ADP_Stopped_ApplicationExit, or …RunTimeErrorUnknown. */
    semihosting(0x18, (const void *)(uintptr_t)(code == 0 ? 0x20026 : 0x20023));
    for (;;) {
    }
}

void reset(void);
void reset(void) {
    /* The floating-point unit is off: CPACR gives its two coprocessors to everyone. */
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");
    for (uint32_t *to = data_start, *from = data_source; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end;) {
        *to++ = 0;
    }
    end(run());
}

static void fault(void) {
    put("fault\n");
    end(1);
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
};
