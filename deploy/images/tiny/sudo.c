/*
 * sudo for the tiny image: members of group sudo become root without a password, as they do on CirrOS. Who may run this
 * file at all is decided by its mode (4750 root:sudo); this program only changes the user and starts the command.
 *   sudo [-u user] [-i | -s] [-n] [-E] [-H] [--] [name=value ...] [command ...]
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int usage(void) {
  fputs("usage: sudo [-u user] [-i | -s] [-n] [-E] [-H] [name=value ...] [command ...]\n", stderr);
  return 1;
}

int main(int argc, char **argv) {
  const char *name = "root";
  int login = 0, shell = 0, option;
  while ((option = getopt(argc, argv, "+u:isnEHkK")) != -1) {
    switch (option) {
      case 'u': name = optarg; break;
      case 'i': login = 1; break;
      case 's': shell = 1; break;
      case 'n': case 'E': case 'H': case 'k': case 'K': break;
      default: return usage();
    }
  }
  argv += optind;
  const struct passwd *caller = getpwuid(getuid());
  if (caller) setenv("SUDO_USER", caller->pw_name, 1);
  const struct passwd *user = getpwnam(name);
  if (!user) {
    fprintf(stderr, "sudo: unknown user %s\n", name);
    return 1;
  }
  if (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid)) {
    perror("sudo: cannot change user");
    return 1;
  }
  setenv("HOME", user->pw_dir, 1);
  setenv("USER", user->pw_name, 1);
  setenv("LOGNAME", user->pw_name, 1);
  setenv("SHELL", user->pw_shell, 1);
  setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
  while (*argv && strchr(*argv, '=') && **argv != '=') putenv(*argv++);
  if (login && chdir(user->pw_dir)) perror("sudo: cannot enter the home directory");
  if (!*argv) {
    if (!login && !shell) return usage();
    execl(user->pw_shell, login ? "-sh" : "sh", (char *)NULL);
    perror("sudo: cannot start the shell");
    return 127;
  }
  execvp(*argv, argv);
  fprintf(stderr, "sudo: %s: %s\n", *argv, errno == ENOENT ? "command not found" : strerror(errno));
  return errno == ENOENT ? 127 : 126;
}
