/*
 * What four harts may see of each other's memory (RVWMO, unprivileged spec chapter 17), as a program without a kernel: it
 * starts in M-mode on all harts, runs each test on all of them at once, prints a line for each, and turns the machine
 * off. Tests are streams of numbered writes that are judged afterwards, so that no round waits for a slow hart.
 */
#include <stdint.h>

#define HARTS 4
#define STREAM 40000
#define PATCHES 100
#define INLINE static inline __attribute__((always_inline))

typedef volatile uint64_t shared __attribute__((aligned(64)));

/* --- start, console, power --- */

__attribute__((used)) static char stacks[HARTS][8192] __attribute__((aligned(16)));
asm(".section .text.start, \"ax\"\n .globl _start\n_start:\n"
    " csrr a0, mhartid\n la sp, stacks\n addi t0, a0, 1\n slli t0, t0, 13\n add sp, sp, t0\n"
    " la t0, trapped\n csrw mtvec, t0\n call run\n1: wfi\n j 1b\n .text\n");

static void put(char c)
{
    volatile uint8_t *uart = (void *)0x10000000;
    while (!(uart[5] & 0x20)) {}
    uart[0] = c;
}
static void print(const char *text)
{
    while (*text) put(*text++);
}
static void print_number(uint64_t n)
{
    if (n >= 10) print_number(n / 10);
    put('0' + n % 10);
}
static void power(uint32_t how)
{
    *(volatile uint32_t *)0x100000 = how;
    for (;;) {}
}
__attribute__((used, aligned(4))) static void trapped(void)
{
    uint64_t cause;
    asm volatile("csrr %0, mcause" : "=r"(cause));
    print("a hart trapped, cause ");
    print_number(cause);
    print("\n");
    power(0x13333);
}

/* --- instructions by name --- */

INLINE void fence_w_w(void) { asm volatile("fence w, w" ::: "memory"); }
INLINE void fence_r_r(void) { asm volatile("fence r, r" ::: "memory"); }
INLINE void fence_r_rw(void) { asm volatile("fence r, rw" ::: "memory"); }
INLINE void fence_rw_w(void) { asm volatile("fence rw, w" ::: "memory"); }
INLINE void fence_all(void) { asm volatile("fence rw, rw" ::: "memory"); }

#define AMO(name, instruction, type)                                                                                  \
    INLINE type name(volatile void *at, type value)                                                                   \
    {                                                                                                                 \
        type old;                                                                                                     \
        asm volatile(instruction " %0, %2, (%1)" : "=r"(old) : "r"(at), "r"(value) : "memory");                        \
        return old;                                                                                                   \
    }
AMO(add_d, "amoadd.d", uint64_t)
AMO(add_w, "amoadd.w", uint32_t)
AMO(add_d_aqrl, "amoadd.d.aqrl", uint64_t)
AMO(xor_d, "amoxor.d", uint64_t)
AMO(or_d, "amoor.d", uint64_t)
AMO(max_d, "amomax.d", int64_t)
AMO(minu_w, "amominu.w", uint32_t)
AMO(swap_w_aq, "amoswap.w.aq", uint32_t)
AMO(swap_w_rl, "amoswap.w.rl", uint32_t)

INLINE void add_lr_sc_d(volatile uint64_t *at)
{
    uint64_t t;
    asm volatile("1: lr.d %0, (%1)\n addi %0, %0, 1\n sc.d %0, %0, (%1)\n bnez %0, 1b" : "=&r"(t) : "r"(at) : "memory");
}
INLINE void add_lr_sc_w(volatile uint32_t *at)
{
    uint32_t t;
    asm volatile("1: lr.w.aq %0, (%1)\n addi %0, %0, 1\n sc.w.rl %0, %0, (%1)\n bnez %0, 1b"
                 : "=&r"(t)
                 : "r"(at)
                 : "memory");
}

/* --- the frame of a test --- */

static shared arrived, wrong;
static void meet(void)
{
    uint64_t round = add_d_aqrl(&arrived, 1) / HARTS;
    while (arrived < (round + 1) * HARTS) {}
    fence_all();
}
static void expect(int right)
{
    if (!right) add_d(&wrong, 1);
}

/* --- atomic counters and locks --- */

static shared counter_d, counter_xor, counter_or, counter_max, counter_lr_d, guarded, guarded_twin;
static volatile uint32_t counter_w __attribute__((aligned(64))), counter_minu, counter_lr_w, lock, lock_lr;

static void amo(int hart)
{
    for (uint64_t i = 0; i < STREAM; i++) {
        add_d(&counter_d, 3);
        add_w(&counter_w, 0x10001);
        xor_d(&counter_xor, i << hart);
        or_d(&counter_or, 1ull << (i % 16 + 16 * hart));
        max_d(&counter_max, (int64_t)(i * HARTS + hart));
        minu_w(&counter_minu, 0xffffffffu - (uint32_t)(i * HARTS + hart));
    }
}
static void amo_check(void)
{
    uint64_t each = 0, all = 0;
    for (uint64_t i = 0; i < STREAM; i++) each ^= i;
    for (int hart = 0; hart < HARTS; hart++) all ^= each << hart;
    expect(counter_d == 3ull * STREAM * HARTS);
    expect(counter_w == (uint32_t)(0x10001u * STREAM * HARTS));
    expect(counter_xor == all);
    expect(counter_or == ~0ull);
    expect(counter_max == STREAM * HARTS - 1);
    expect(counter_minu == 0xffffffffu - (STREAM * HARTS - 1));
}

static void lr_sc(int hart)
{
    (void)hart;
    for (int i = 0; i < STREAM; i++) {
        add_lr_sc_d(&counter_lr_d);
        add_lr_sc_w(&counter_lr_w);
    }
}
static void lr_sc_check(void)
{
    expect(counter_lr_d == (uint64_t)STREAM * HARTS);
    expect(counter_lr_w == STREAM * HARTS);
}

static void locks(int hart)
{
    (void)hart;
    for (int i = 0; i < STREAM / 4; i++) {
        if (i & 1) {
            while (swap_w_aq(&lock, 1)) {}
        } else {
            uint32_t t;
            asm volatile("1: lr.w.aq %0, (%1)\n bnez %0, 1b\n sc.w %0, %2, (%1)\n bnez %0, 1b"
                         : "=&r"(t)
                         : "r"(&lock), "r"(1)
                         : "memory");
        }
        /* Plain accesses: the lock alone keeps others out. */
        expect(guarded == guarded_twin);
        guarded = guarded + 1;
        guarded_twin = guarded_twin + 1;
        if (i & 2) {
            swap_w_rl(&lock, 0);
        } else {
            fence_rw_w();
            lock = 0;
        }
    }
}
static void locks_check(void)
{
    expect(guarded == (uint64_t)STREAM / 4 * HARTS);
    expect(guarded_twin == guarded);
}

/* --- message passing: hart 0 writes, the others read, each in a way of its own --- */

static shared mp_data[2], mp_flag;
static volatile uint64_t mp_box[STREAM + 1];
static volatile uint64_t *volatile mp_pointer;

static void message(int hart)
{
    if (hart == 0) {
        mp_pointer = mp_box;
        for (uint64_t i = 1; i <= STREAM; i++) {
            mp_data[0] = i;
            mp_data[1] = ~i;
            mp_box[i] = i;
            if (i & 1) fence_w_w();
            else fence_rw_w();
            mp_flag = i;
            mp_pointer = &mp_box[i];
        }
        return;
    }
    uint64_t last = 0;
    while (last < STREAM) {
        uint64_t flag = mp_flag;
        if (hart == 1) {
            fence_r_r();
            expect(mp_data[0] >= flag && ~mp_data[1] >= flag);
        } else if (hart == 2) {
            fence_r_rw();
            uint64_t first = mp_data[0];
            expect(first >= flag);
        } else {
            /* By address alone: rule 9 of the preserved program order. */
            volatile uint64_t *at = mp_pointer;
            if (at) expect(at == mp_box || *at == (uint64_t)(at - mp_box));
        }
        expect(flag >= last); /* coherence: a location never goes back */
        last = flag;
    }
}

/* --- store buffering: harts 0 and 1, and 2 and 3, each pair with a full fence between its store and its load --- */

static shared sb_x[2], sb_y[2];
static volatile uint32_t sb_seen[HARTS][STREAM + 2];

static void buffering(int hart)
{
    int pair = hart / 2;
    volatile uint64_t *mine = hart & 1 ? &sb_y[pair] : &sb_x[pair], *other = hart & 1 ? &sb_x[pair] : &sb_y[pair];
    for (uint64_t i = 1; i <= STREAM; i++) {
        *mine = i;
        fence_all();
        sb_seen[hart][i] = *other;
    }
}
static void buffering_check(void)
{
    for (int hart = 0; hart < HARTS; hart++) {
        for (uint64_t i = 1; i <= STREAM; i++) {
            /* My load did not see the other's write `next`: so its load behind that write has seen my write i. */
            uint64_t next = (uint64_t)sb_seen[hart][i] + 1;
            if (next <= STREAM) expect(sb_seen[hart ^ 1][next] >= i);
        }
    }
}

/* --- independent reads of independent writes: two readers agree on the order of two writers --- */

static shared iriw_x, iriw_y;
static volatile uint32_t iriw_first[2][STREAM], iriw_second[2][STREAM];

static void independent(int hart)
{
    if (hart < 2) {
        volatile uint64_t *mine = hart ? &iriw_y : &iriw_x;
        for (uint64_t i = 1; i <= STREAM; i++) *mine = i;
        return;
    }
    volatile uint64_t *one = hart == 2 ? &iriw_x : &iriw_y, *two = hart == 2 ? &iriw_y : &iriw_x;
    for (int i = 0; i < STREAM; i++) {
        iriw_first[hart - 2][i] = *one;
        fence_all();
        iriw_second[hart - 2][i] = *two;
    }
}
static void independent_check(void)
{
    /* Reader 0 saw (x, then y), reader 1 saw (y, then x). Both go up, so one pass finds each pair that disagrees. */
    int other = -1;
    for (int i = 0; i < STREAM; i++) {
        while (other + 1 < STREAM && iriw_second[1][other + 1] < iriw_first[0][i]) other++;
        if (other >= 0) expect(iriw_first[1][other] <= iriw_second[0][i]);
    }
}

/* --- code that another hart writes --- */

static volatile uint32_t code[1024] __attribute__((aligned(4096)));
static shared code_round, code_done;

static void patching(int hart)
{
    for (uint64_t i = 1; i <= PATCHES; i++) {
        if (hart == 0) {
            code[0] = 0x00000513u | (uint32_t)i << 20; /* li a0, i */
            code[1] = 0x00008067u;                     /* ret */
            fence_w_w();
            code_round = i;
        } else {
            while (code_round < i) {}
        }
        asm volatile("fence rw, rw\n fence.i" ::: "memory");
        expect(((uint64_t(*)(void))(uintptr_t)code)() == i);
        add_d_aqrl(&code_done, 1);
        while (code_done < i * HARTS) {}
    }
}

/* --- all of them --- */

static void nothing(void) {}
static const struct test { const char *name; void (*body)(int); void (*check)(void); } tests[] = {
    { "atomic operations", amo, amo_check },
    { "LR and SC", lr_sc, lr_sc_check },
    { "spin locks", locks, locks_check },
    { "message passing", message, nothing },
    { "store buffering", buffering, buffering_check },
    { "independent reads", independent, independent_check },
    { "code of another hart", patching, nothing },
};

__attribute__((used)) void run(int hart)
{
    uint64_t failed = 0;
    if (hart == 0) counter_minu = 0xffffffffu;
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        meet();
        tests[i].body(hart);
        meet();
        if (hart == 0) {
            tests[i].check();
            print(tests[i].name);
            print(wrong ? ": wrong " : ": right");
            if (wrong) print_number(wrong), failed++;
            print("\n");
            wrong = 0;
        }
    }
    meet();
    if (hart == 0) power(failed ? 0x13333 : 0x5555);
}
