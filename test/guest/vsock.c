// Both ends of a vsock in the guest:  vsock echo PORT  |  vsock ask PORT TEXT
// `echo` serves one connection, sending back what comes until its end; `ask` sends TEXT to the host and prints the answer.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>
#include <unistd.h>

static char buffer[65536];

static int fail(const char *what) {
  perror(what);
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const int asks = argc > 3;
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  struct sockaddr_vm to = {.svm_family = AF_VSOCK, .svm_cid = asks ? VMADDR_CID_HOST : VMADDR_CID_ANY, .svm_port = atoi(argv[2])};
  long total = 0;
  if (asks) {
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) return fail("connect");
    if (write(fd, argv[3], strlen(argv[3])) < 0) return fail("write");
    shutdown(fd, SHUT_WR);
    for (long count; (count = read(fd, buffer, sizeof buffer)) > 0; total += count) fwrite(buffer, 1, count, stdout);
    return 0;
  }
  if (bind(fd, (struct sockaddr *)&to, sizeof to) || listen(fd, 1)) return fail("listen");
  puts("LISTENING");
  fflush(stdout);
  const int peer = accept(fd, 0, 0);
  if (peer < 0) return fail("accept");
  for (long count; (count = read(peer, buffer, sizeof buffer)) > 0; total += count)
    for (long done = 0; done < count;) {
      const long wrote = write(peer, buffer + done, count - done);
      if (wrote <= 0) return fail("write");
      done += wrote;
    }
  printf("ECHOED %ld\n", total);
  return 0;
}
