/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spy.c - try to open the memory of a program called "pasta" while it starts
 *
 *	spy outside SECONDS	whatever process was made last
 *	spy command SECONDS	those that are there now, in the /proc that is
 *				below that of the container
 *
 * Says "ready" and how many were found, "opened" if it could, and "end".
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define LAST_PIDS	4
#define PIDS_MAX	16

static bool is_pasta(int pid)
{
	char path[64], name[32] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		*name = '\0';
	fclose(f);
	return !strcmp(name, "pasta\n");
}

static int last_pid(void)
{
	FILE *f = fopen("/proc/loadavg", "r");
	int pid = 0;

	if (!f || fscanf(f, "%*s %*s %*s %*s %d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

static bool opens(int pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return false;
	close(fd);
	return is_pasta(pid);
}

int main(int argc, char **argv)
{
	bool command = argc > 2 && !strcmp(argv[1], "command"), opened = false;
	double left = argc > 2 ? atof(argv[2]) : 0;
	int pids[PIDS_MAX], n = 0, last, i;
	struct timespec t;
	struct dirent *e;
	DIR *dir;
	double end;

	if (command && umount2("/proc", 0))
		puts("no umount");
	dir = opendir("/proc");
	while (dir && command && n < PIDS_MAX && (e = readdir(dir)))
		if (is_pasta(atoi(e->d_name)))
			pids[n++] = atoi(e->d_name);
	printf("ready %d\n", n);
	fflush(stdout);

	clock_gettime(CLOCK_MONOTONIC, &t);
	end = (double)t.tv_sec + (double)t.tv_nsec / 1e9 + left;
	do {
		last = command ? 0 : last_pid();
		for (i = 0; !command && i < LAST_PIDS; i++)
			pids[i] = last - i;
		if (!command)
			n = LAST_PIDS;
		for (i = 0; i < n; i++) {
			if (!opened && opens(pids[i])) {
				puts("opened");
				fflush(stdout);
				opened = true;
			}
		}
		clock_gettime(CLOCK_MONOTONIC, &t);
	} while ((double)t.tv_sec + (double)t.tv_nsec / 1e9 < end);
	puts("end");
	return 0;
}
