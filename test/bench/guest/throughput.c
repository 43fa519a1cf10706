// Throughput as a program in the guest sees it: the disk without its page cache, TCP in either direction.
//   throughput read DEVICE MIB REQUEST_KIB     |  send ADDRESS PORT MIB  |  receive ADDRESS PORT MIB [check]
// Prints `RESULT <what> <bytes> <microseconds>`. Byte n on a connection is (7n + n/4096) mod 256 (test/support/tcp-peer.ts);
// with `check` a received byte that is another ends it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static int fail(const char *what) {
  perror(what);
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  const int disk = strcmp(argv[1], "read") == 0;
  const long total = atol(argv[disk ? 3 : 4]) << 20;
  // The pattern repeats after 1 MiB.
  const long size = disk ? atol(argv[4]) << 10 : 1 << 20;
  const int check = argc > 5;
  char *buffer;
  if (posix_memalign((void **)&buffer, 4096, size)) return fail("memory");
  char *pattern = buffer;
  for (long n = 0; n < size; n++) pattern[n] = 7 * n + (n >> 12);
  if (check && !(buffer = malloc(size))) return fail("memory");
  int fd;
  if (disk) {
    fd = open(argv[2], O_RDONLY | O_DIRECT);
    if (fd < 0) return fail(argv[2]);
  } else {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
    inet_aton(argv[2], &to.sin_addr);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) return fail("connect");
  }
  const int sends = strcmp(argv[1], "send") == 0;
  const long began = now();
  long done = 0;
  while (done < total) {
    const long at = done % size;
    const long want = total - done < size - at ? total - done : size - at;
    const long count = sends ? write(fd, pattern + at, want) : read(fd, buffer + at, want);
    if (count <= 0) break;
    if (check && memcmp(buffer + at, pattern + at, count)) return fail("a wrong byte");
    done += count;
  }
  if (sends) {
    // The last byte has arrived when the other side has said so.
    shutdown(fd, SHUT_WR);
    if (read(fd, buffer, 1) < 0) return fail("end");
  }
  printf("RESULT %s %ld %ld\n", argv[1], done, now() - began);
  return 0;
}
