// bare_init.c - the least an init can do, for the figures agentvm is compared with: says "up" on the serial port, then
// (with "agentvm.bench=echo" on the kernel's command line) echoes every byte of the first virtio-serial port.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void load_modules(void) {
  FILE* list = fopen("/modules.list", "r");
  char path[512];
  while (list && fgets(path, sizeof path, list)) {
    path[strcspn(path, "\n")] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      syscall(SYS_finit_module, fd, "", 0);
      close(fd);
    }
  }
}

static int open_port(void) {
  for (;;) {
    DIR* directory = opendir("/dev");
    for (struct dirent* entry; directory && (entry = readdir(directory));) {
      if (strncmp(entry->d_name, "vport", 5) != 0) continue;
      char path[300];
      snprintf(path, sizeof path, "/dev/%s", entry->d_name);
      int fd = open(path, O_RDWR | O_CLOEXEC);
      if (fd >= 0) return fd;
    }
    if (directory) closedir(directory);
    usleep(10000);
  }
}

int main(void) {
  mkdir("/dev", 0755);
  mkdir("/proc", 0755);
  mount("dev", "/dev", "devtmpfs", 0, "");
  mount("proc", "/proc", "proc", 0, "");
  int serial = open("/dev/ttyS0", O_RDWR | O_CLOEXEC);
  if (write(serial, "up\n", 3) != 3) return 1;
  char line[4096] = "";
  int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  if (read(fd, line, sizeof line - 1) > 0 && strstr(line, "agentvm.bench=echo")) {
    load_modules();
    int port = open_port();
    char buffer[4096];
    for (;;) {
      ssize_t size = read(port, buffer, sizeof buffer);
      if (size <= 0) {
        usleep(1000);
        continue;
      }
      for (ssize_t done = 0; done < size;) {
        ssize_t wrote = write(port, buffer + done, (size_t)(size - done));
        if (wrote > 0) done += wrote;
      }
    }
  }
  for (;;) pause();
}
