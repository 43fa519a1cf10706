/*
 * The measuring guest: the first process of a small Linux. It reads one command a line from the console,
 *
 *     row <name> <seconds> <copies>
 *
 * gets that row ready, prints `@@begin`, works for about that long (by its own clock, which only says when to stop: the host
 * stamps both lines as they arrive), and prints `@@end <amount of work>`. `@@ready` is its first line; `off` ends it.
 * With several copies each is a process of its own on a hart of its own, and the amount is their sum.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;
static volatile double real_sink;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
    printf("@@fail %s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

static void *pages(size_t bytes, int protection)
{
    void *p = mmap(0, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) fail("mmap");
    return p;
}

static void reap(pid_t child)
{
    int status;
    if (child < 0) fail("fork");
    if (waitpid(child, &status, 0) != child || status != 0) fail("child");
}

/* --- computation ------------------------------------------------------------------------------------------------- */

/* xorshift and a multiplication: registers only. One operation is one iteration. */
static double step_int(void)
{
    static uint64_t x = 88172645463325252u;
    uint64_t sum = 0;
    for (int i = 0; i < 2000000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x * 2685821657736338717u;
    }
    sink = sum;
    return 2000000;
}

/* Branches that nothing predicts, and 32-bit arithmetic. */
static double step_branch(void)
{
    static uint32_t x = 1;
    uint32_t count = 0;
    for (int i = 0; i < 1000000; i++) {
        x = x * 1664525u + 1013904223u;
        if (x & 0x80000000u) count += 3;
        else if (x & 0x40000000u) count ^= x;
        else count -= 1;
    }
    sink = count;
    return 1000000;
}

/* Loops of a known number of instructions: one load and one store in ten; arithmetic only; a branch that goes either way. */
static double step_ldst(void)
{
    static uint64_t from[4096], to[4096];
    for (int i = 0; i < 50; i++) {
        uint64_t *a = from, *b = to, n = 4096, t0, t1, t2 = i;
        asm volatile("1: ld %3, 0(%0)\n addi %0, %0, 8\n slli %4, %3, 3\n xor %5, %5, %4\n srli %4, %3, 7\n"
                     "add %5, %5, %4\n sd %5, 0(%1)\n addi %1, %1, 8\n addiw %2, %2, -1\n bnez %2, 1b"
                     : "+r"(a), "+r"(b), "+r"(n), "=&r"(t0), "=&r"(t1), "+r"(t2)
                     :
                     : "memory");
    }
    return 50 * 40960.0;
}

static double step_alu(void)
{
    uint64_t x = 1, n = 300000, y = 3;
    asm volatile("1: slli %2, %0, 13\n xor %0, %0, %2\n srli %2, %0, 7\n xor %0, %0, %2\n slli %2, %0, 17\n"
                 "xor %0, %0, %2\n add %2, %2, %0\n sltu %2, %2, %0\n addi %1, %1, -1\n bnez %1, 1b"
                 : "+r"(x), "+r"(n), "+r"(y));
    sink = x + y;
    return 3e6;
}

static double step_crc(void)
{
    uint64_t x = 0x1234, n = 300000, t, data = 0xa5a5f00f12345678u, taken = 0;
    asm volatile("1: xor %2, %0, %3\n andi %2, %2, 1\n srli %3, %3, 1\n ori %3, %3, 0\n srliw %0, %0, 1\n beqz %2, 2f\n"
                 "li %2, 0xa001\n xor %0, %0, %2\n addi %4, %4, 1\n 2: xor %3, %3, %0\n addi %1, %1, -1\n bnez %1, 1b"
                 : "+r"(x), "+r"(n), "=&r"(t), "+r"(data), "+r"(taken));
    sink = x;
    return 300000 * 9.0 + taken * 4.0;
}

/* Calls through a table of functions. */
static int plus(int a) { return a + 1; }
static int flip(int a) { return a ^ 5; }
static int triple(int a) { return a * 3; }
static int minus(int a) { return a - 7; }
static int (*volatile const table[4])(int) = { plus, flip, triple, minus };

static double step_icall(void)
{
    static uint32_t i;
    int a = 1;
    for (int n = 0; n < 200000; n++, i++) a = table[(i ^ (i >> 3)) & 3](a);
    sink = a;
    return 200000;
}

static __attribute__((noinline)) unsigned fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static double step_fib(void)
{
    sink = fib(24);
    return sink * 2.618; /* calls for each unit of the result */
}

static char *copy_from, *copy_to;
static void setup_memcpy(void)
{
    copy_from = malloc(1 << 20);
    copy_to = malloc(1 << 20);
    memset(copy_from, 1, 1 << 20);
    memset(copy_to, 2, 1 << 20);
}

static double step_memcpy(void)
{
    for (int i = 0; i < 16; i++) {
        memcpy(copy_to, copy_from, 1 << 20);
        copy_from[i] = i;
    }
    sink = copy_to[5];
    return 16; /* MiB */
}

static double step_fp(void)
{
    static int row;
    double sum = 0, ci = -1.0 + (row++ % 200) * 0.01;
    uint64_t iterations = 0;
    for (int column = 0; column < 20; column++) {
        double cr = -2.0 + column * 0.15, zr = 0, zi = 0;
        int k = 0;
        for (; k < 2000; k++) {
            double a = zr * zr, b = zi * zi;
            if (a + b > 4.0) break;
            zi = 2 * zr * zi + ci;
            zr = a - b + cr;
        }
        iterations += k;
        sum += zr / (1.0 + fabs(zi));
    }
    real_sink = sum;
    return iterations;
}

static double step_fpdiv(void)
{
    double x = 1.5, sum = 0;
    for (int i = 1; i <= 20000; i++) {
        x = __builtin_sqrt(x * 1.0000001 + 1.0 / i);
        sum += (int)(x * 3.7) + (double)(float)x;
    }
    real_sink = sum;
    return 20000;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* Dependent loads all over 64 MiB: 16384 pages, more than any small TLB holds. */
static struct node { uint32_t next; char rest[60]; } *nodes;
static void setup_chase(void)
{
    uint32_t n = 1 << 20;
    uint64_t x = 12345;
    nodes = pages((size_t)n * sizeof *nodes, PROT_READ | PROT_WRITE);
    for (uint32_t i = 0; i < n; i++) nodes[i].next = i;
    for (uint32_t i = n - 1; i > 0; i--) { /* Sattolo's shuffle: a single cycle */
        x = x * 6364136223846793005u + 1442695040888963407u;
        uint32_t j = (x >> 33) % i, t = nodes[i].next;
        nodes[i].next = nodes[j].next;
        nodes[j].next = t;
    }
}

static double step_chase(void)
{
    static uint32_t at;
    for (int i = 0; i < 50000; i++) at = nodes[at].next;
    sink = at;
    return 50000;
}

static double step_fault(void)
{
    size_t bytes = 8u << 20;
    char *p = pages(bytes, PROT_READ | PROT_WRITE);
    for (size_t at = 0; at < bytes; at += 4096) p[at] = 1;
    munmap(p, bytes);
    return bytes / 4096;
}

/* Code that is written and then executed, as a compiler in the guest does it. */
static uint32_t *patch;
static void setup_smc(void) { patch = pages(4096, PROT_READ | PROT_WRITE | PROT_EXEC); }
static double step_smc(void)
{
    for (int i = 0; i < 500; i++) {
        patch[0] = 0x00000513u | (i & 0x7ff) << 20; /* li a0, i */
        patch[1] = 0x00008067u;                     /* ret */
        __builtin___clear_cache((char *)patch, (char *)(patch + 2));
        if (((long (*)(void))patch)() != (i & 0x7ff)) fail("smc: stale code");
    }
    return 500;
}

/* --- the kernel --------------------------------------------------------------------------------------------------- */

static double step_syscall(void)
{
    for (int i = 0; i < 5000; i++) syscall(SYS_getppid);
    return 5000;
}

static double step_fork(void)
{
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        reap(child);
    }
    return 5;
}

static void run(char *const arguments[])
{
    pid_t child = vfork();
    if (child == 0) {
        execv(arguments[0], arguments);
        _exit(127);
    }
    reap(child);
}

static double step_exec(void)
{
    for (int i = 0; i < 2; i++) run((char *[]){ "/bin/busybox", "true", 0 });
    return 2;
}

static int there[2], back[2];
static void setup_pipe(void)
{
    if (pipe(there) || pipe(back)) fail("pipe");
    if (fork() == 0) {
        char c;
        close(there[1]);
        while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1) {}
        _exit(0);
    }
    close(there[0]);
}

static double step_pipe(void)
{
    char c = 0;
    for (int i = 0; i < 50; i++)
        if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1) fail("pipe");
    return 50;
}

/* --- programs ----------------------------------------------------------------------------------------------------- */

static void quiet(void)
{
    int out = open("/dev/null", O_WRONLY);
    dup2(out, 1);
    close(out);
}

static double work_file_mb;
static void make_work_file(int copies)
{
    static char buffer[65536];
    FILE *from, *to = fopen("/work", "w");
    if (!to) fail("/work");
    for (int i = 0; i < copies; i++) {
        size_t n;
        if (!(from = fopen("/bin/busybox", "r"))) fail("/bin/busybox");
        while ((n = fread(buffer, 1, sizeof buffer, from)) > 0) {
            fwrite(buffer, 1, n, to);
            work_file_mb += n / 1e6;
        }
        fclose(from);
    }
    fclose(to);
}

static void setup_sha256(void) { make_work_file(1); quiet(); }
static double step_sha256(void)
{
    run((char *[]){ "/bin/busybox", "sha256sum", "/work", 0 });
    return work_file_mb;
}

static void setup_gzip(void) { make_work_file(1); quiet(); }
static double step_gzip(void)
{
    run((char *[]){ "/bin/busybox", "gzip", "-c", "/work", 0 });
    return work_file_mb;
}

/* CoreMark runs once, for as long as the row lasts; its own report is printed and checked by the host. */
static double wanted_seconds;
static char iterations[32] = "100";
static void coremark(void)
{
    run((char *[]){ "/bin/coremark", "0x0", "0x0", "0x66", iterations, "7", "1", "2000", 0 });
}
static void setup_coremark(void)
{
    int out = dup(1);
    quiet();
    double began = now();
    coremark();
    /* A little more than the rows' seconds: the rate is not yet known well. */
    snprintf(iterations, sizeof iterations, "%.0f", 1 + 1.15 * wanted_seconds * 100 / (now() - began));
    dup2(out, 1);
}
static double step_coremark(void)
{
    coremark();
    return atof(iterations);
}

static const struct row { const char *name; void (*setup)(void); double (*step)(void); int once; } rows[] = {
    { "coremark", setup_coremark, step_coremark, 1 },
    { "int", 0, step_int, 0 },
    { "branch", 0, step_branch, 0 },
    { "ldst", 0, step_ldst, 0 },
    { "alu", 0, step_alu, 0 },
    { "crc", 0, step_crc, 0 },
    { "memcpy", setup_memcpy, step_memcpy, 0 },
    { "gzip", setup_gzip, step_gzip, 0 },
    { "icall", 0, step_icall, 0 },
    { "fib", 0, step_fib, 0 },
    { "fp", 0, step_fp, 0 },
    { "fpdiv", 0, step_fpdiv, 0 },
    { "sha256", setup_sha256, step_sha256, 0 },
    { "chase", setup_chase, step_chase, 0 },
    { "fault", 0, step_fault, 0 },
    { "fork", 0, step_fork, 0 },
    { "exec", 0, step_exec, 0 },
    { "pipe", setup_pipe, step_pipe, 0 },
    { "syscall", 0, step_syscall, 0 },
    { "smc", setup_smc, step_smc, 0 },
};

#define MAX_COPIES 8
struct board { double amount[MAX_COPIES]; };

static void copy(const struct row *row, double seconds, int index, int pinned, struct board *board, int ready, int go, int done)
{
    char c = 0;
    double amount = 0, end;
    if (pinned) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(index, &set);
        if (sched_setaffinity(0, sizeof set, &set)) fail("sched_setaffinity");
    }
    wanted_seconds = seconds;
    if (row->setup) row->setup();
    if (write(ready, &c, 1) != 1 || read(go, &c, 1) != 1) fail("start");
    end = now() + seconds;
    do amount += row->step();
    while (!row->once && now() < end);
    board->amount[index] = amount;
    if (write(done, &c, 1) != 1) fail("done");
    _exit(0);
}

static void measure(const struct row *row, double seconds, int copies)
{
    struct board *board = mmap(0, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ready[2], go[2], done[2];
    char c = 0;
    pid_t children[MAX_COPIES];
    double amount = 0;
    if (board == MAP_FAILED || pipe(ready) || pipe(go) || pipe(done)) fail("measure");
    for (int i = 0; i < copies; i++) {
        children[i] = fork();
        if (children[i] == 0) copy(row, seconds, i, copies > 1, board, ready[1], go[0], done[1]);
    }
    for (int i = 0; i < copies; i++)
        if (read(ready[0], &c, 1) != 1) fail("ready");
    printf("@@begin\n");
    fflush(stdout);
    for (int i = 0; i < copies; i++)
        if (write(go[1], &c, 1) != 1) fail("go");
    for (int i = 0; i < copies; i++)
        if (read(done[0], &c, 1) != 1) fail("done");
    for (int i = 0; i < copies; i++) amount += board->amount[i];
    printf("@@end %.6f\n", amount);
    fflush(stdout);
    for (int i = 0; i < copies; i++) reap(children[i]);
    munmap(board, sizeof *board);
    for (int i = 0; i < 2; i++) close(ready[i]), close(go[i]), close(done[i]);
}

static void open_console(void)
{
    struct termios line;
    mkdir("/dev", 0755);
    mkdir("/proc", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, 0);
    mount("proc", "/proc", "proc", 0, 0);
    int console = open("/dev/console", O_RDWR);
    for (int i = 0; i < 3; i++) dup2(console, i);
    if (tcgetattr(0, &line) == 0) {
        line.c_lflag &= ~ECHO;
        tcsetattr(0, TCSANOW, &line);
    }
}

int main(void)
{
    char line[128], name[32];
    double seconds;
    int copies;
    open_console();
    printf("\n@@ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "row %31s %lf %d", name, &seconds, &copies) == 3 && copies >= 1 && copies <= MAX_COPIES) {
            const struct row *row = 0;
            for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                if (!strcmp(rows[i].name, name)) row = &rows[i];
            if (row) measure(row, seconds, copies);
            else printf("@@fail no row %s\n", name), fflush(stdout);
        } else if (!strncmp(line, "off", 3)) {
            break;
        }
    }
    sync();
    reboot(RB_POWER_OFF);
    return 0;
}
