/* SPDX-License-Identifier: Apache-2.0 */
/* CRI lines, mount options, cgroups of both versions below trees of files. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pb.h"
#include "lib/t.h"
#include "shim/cgroup.h"
#include "shim/child.h"
#include "shim/crilog.h"
#include "shim/files.h"
#include "shim/hearing.h"
#include "shim/oci.h"
#include "shim/orphans.h"
#include "shim/rootfs.h"

/* ---- log lines ---- */

static void done_lines(void *arg)
{
	shim_lines_done(arg);
}

SP_TEST(shim_lines, every_cut_gives_the_same)
{
	static shim_lines l;
	static const sp_str in = SP_STR_INIT("one\r\n\nlonger than ten\nexactly10!\ntail");
#define AT "1970-01-01T00:00:01.000000002Z stdout "
	static const char want[] =
		AT "F one\n" AT "F \n" AT "P longer tha\n" AT "F n ten\n" AT "F exactly10!\n" AT "P tail\n";
	T_DEFER(done_lines, &l);
	for (size_t cut = 0; cut <= in.len; cut++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, 4096);
		shim_lines_init(&l, "stdout", 10);
		shim_lines_put(&l, sp_str_sub(in, 0, cut), 1000000002, &out);
		shim_lines_put(&l, sp_str_sub(in, cut, in.len), 1000000002, &out);
		shim_lines_end(&l, 1000000002, &out);
		shim_lines_done(&l);
		t_row("cut at %zu", cut);
		T_EQ_C(sp_buf_view(&out), want);
	}
}

static void close_log(void *arg)
{
	shim_crilog_close(arg);
}

SP_TEST(shim_lines, a_file_that_is_rotated)
{
	static shim_crilog l;
	SP_AUTO_BUF old, new;
	char path[256], moved[300];
	(void)snprintf(path, sizeof path, "%s/0.log", t_tmpdir());
	(void)snprintf(moved, sizeof moved, "%s.1", path);
	sp_buf_init(&old, 4096);
	sp_buf_init(&new, 4096);
	T_OK(shim_crilog_open(&l, path, 0, 0, 0, T_ERR));
	T_DEFER(close_log, &l);
	shim_crilog_put(&l, 1, SP_STR("before\n"));
	T_TRUE(rename(path, moved) == 0);
	shim_crilog_put(&l, 2, SP_STR("still\n"));
	T_OK(shim_crilog_reopen(&l, T_ERR));
	shim_crilog_put(&l, 1, SP_STR("after\n"));
	T_OK(shim_read_file(AT_FDCWD, moved, &old, T_ERR));
	T_OK(shim_read_file(AT_FDCWD, path, &new, T_ERR));
	T_TRUE(sp_str_find(sp_buf_view(&old), SP_STR(" stdout F before\n")) > 0);
	T_TRUE(sp_str_find(sp_buf_view(&old), SP_STR(" stderr F still\n")) > 0);
	T_TRUE(sp_str_ends(sp_buf_view(&new), SP_STR(" stdout F after\n")));
	T_TRUE(sp_str_index(sp_buf_view(&new), '\n') == (ptrdiff_t) new.len - 1);
}

/* ---- mounts ---- */

SP_TEST(shim_mount, options)
{
	sp_str texts[] = {SP_STR("ro"),   SP_STR("nosuid"),   SP_STR("rbind"),   SP_STR("rslave"),
			  SP_STR("suid"), SP_STR("size=64m"), SP_STR("mode=755")};
	const shim_mount_msg m = {.options = {texts, SP_LEN(texts)}};
	shim_mount_flags f;
	T_OK(shim_mount_parse(&m, T_ARENA, &f, T_ERR));
	T_EQ_U64(f.flags, MS_RDONLY | MS_BIND | MS_REC);
	T_EQ_U64(f.propagation, MS_SLAVE | MS_REC);
	T_EQ_C(f.data, "size=64m,mode=755");
	texts[0] = SP_STR("uidmap=0:1:2");
	T_CODE(shim_mount_parse(&m, T_ARENA, &f, T_ERR), SP_EUNSUPPORTED);
}

SP_TEST(shim_mount, long_overlays)
{
	static const struct {
		const char *data, *dir, *want;
	} rows[] = {
		{"lowerdir=/s/1/fs:/s/22/fs:/s/3/fs,upperdir=/s/9/fs", "/s/",
		 "lowerdir=1/fs:22/fs:3/fs,upperdir=/s/9/fs"},
		{"index=off,lowerdir=/s/1/fs:/s/1/fx", "/s/1/", "index=off,lowerdir=fs:fx"},
		{"lowerdir=/a:/b", "", "lowerdir=/a:/b"},
		{"lowerdir=/s/1", "", "lowerdir=/s/1"},
		{"lowerdir=/s/a\\:b:/s/c", "", "lowerdir=/s/a\\:b:/s/c"},
		{"upperdir=/x", "", "upperdir=/x"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str dir, data;
		t_row("%s", rows[i].data);
		T_OK(shim_overlay_shorten(sp_str_c(rows[i].data), T_ARENA, &dir, &data, T_ERR));
		T_EQ_C(dir, rows[i].dir);
		T_EQ_C(data, rows[i].want);
	}
}

/* ---- cgroups ---- */

/* Good until the fourth call after. */
static const char *in_tmp(const char *name)
{
	static char rooms[4][512];
	static unsigned next;
	char *room = rooms[next++ % SP_LEN(rooms)];
	(void)snprintf(room, sizeof rooms[0], "%s/%s", t_tmpdir(), name);
	return room;
}

static void put(const char *name, const char *text)
{
	char path[512];
	(void)snprintf(path, sizeof path, "%s", in_tmp(name));
	for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = 0;
		(void)mkdir(path, 0755);
		*at = '/';
	}
	T_OK(shim_write_file(AT_FDCWD, path, sp_str_c(text), 0644, T_ERR));
}

static sp_str content(const char *name)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	if (shim_read_file(AT_FDCWD, in_tmp(name), &text, NULL) != SP_OK)
		return SP_STR("absent");
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&text));
}

SP_TEST(shim_cgroup, join_version_1)
{
	put("memory/pods/x/cgroup.procs", "");
	put("cpu/pods/x/cgroup.procs", "");
	put("pids/other/cgroup.procs", "");
	const shim_cgroup_fs fs = {t_tmpdir(), false};
	T_OK(shim_cgroup_join(&fs, SP_STR("/pods/x"), 42, T_ERR));
	T_EQ_C(content("memory/pods/x/cgroup.procs"), "42");
	T_EQ_C(content("cpu/pods/x/cgroup.procs"), "42");
	T_EQ_C(content("pids/other/cgroup.procs"), "");
	T_CODE(shim_cgroup_join(&fs, SP_STR("/none"), 42, T_ERR), SP_ENOTFOUND);
	T_CODE(shim_cgroup_join(&fs, SP_STR("/pods/../pods/x"), 42, T_ERR), SP_EINVAL);
	T_CODE(shim_cgroup_join(&fs, SP_STR(""), 42, T_ERR), SP_EINVAL);
}

SP_TEST(shim_cgroup, join_version_2)
{
	put("kubepods.slice/x/cgroup.procs", "");
	const shim_cgroup_fs fs = {t_tmpdir(), true};
	T_OK(shim_cgroup_join(&fs, SP_STR("kubepods.slice/x"), 7, T_ERR));
	T_EQ_C(content("kubepods.slice/x/cgroup.procs"), "7");
	T_CODE(shim_cgroup_join(&fs, SP_STR("/none"), 7, T_ERR), SP_ENOTFOUND);
}

static void make_dir(const char *name)
{
	char path[512];
	(void)snprintf(path, sizeof path, "%s", in_tmp(name));
	for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = 0;
		(void)mkdir(path, 0755);
		*at = '/';
	}
	T_TRUE(mkdir(path, 0755) == 0);
}

static bool is_there(const char *name)
{
	return shim_file_exists(in_tmp(name));
}

SP_TEST(shim_cgroup, remove)
{
	static const char *const kept[] = {"/", "//", "pods/x", "/../pods", "/pods/..", "", "a.slice:p:x"};
	make_dir("memory/pods/x/below");
	make_dir("cpu/pods/x");
	make_dir("cpu/pods/y");
	const shim_cgroup_fs v1 = {t_tmpdir(), false};
	for (size_t i = 0; i < SP_LEN(kept); i++)
		shim_cgroup_remove(&v1, sp_str_c(kept[i]));
	T_TRUE(is_there("memory/pods/x/below") && is_there("cpu/pods/x") && is_there("cpu/pods/y"));
	shim_cgroup_remove(&v1, SP_STR("/pods/x/"));
	T_TRUE(!is_there("memory/pods/x") && !is_there("cpu/pods/x"));
	T_TRUE(is_there("memory/pods") && is_there("cpu/pods/y"));
	const shim_cgroup_fs v2 = {in_tmp("cpu"), true};
	shim_cgroup_remove(&v2, SP_STR("/pods"));
	T_TRUE(!is_there("cpu/pods"));
}

/* Whoever is in the group is not only killed but gone before its directory's turn comes. */
SP_TEST(shim_cgroup, remove_ends_processes)
{
	char text[16];
	make_dir("memory/pods/x");
	int pid = fork();
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	(void)snprintf(text, sizeof text, "%d\n", pid);
	put("memory/pods/x/cgroup.procs", text);
	const shim_cgroup_fs v1 = {t_tmpdir(), false};
	shim_cgroup_remove(&v1, SP_STR("/pods/x"));
	siginfo_t info = {0};
	T_TRUE(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) == 0);
	T_EQ_I64(info.si_pid, pid);
	T_EQ_I64(info.si_status, SIGKILL);
}

/* ---- programs ---- */

/* A parent starts `sleep` and goes. The signal that ended sleep: the kernel's, or the one sent after that. */
static void end_after(bool dies_with_us, int *ret_signal)
{
	int told[2], pid = 0;
	T_TRUE(pipe2(told, O_CLOEXEC) == 0);
	T_TRUE(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	int parent = fork();
	if (parent == 0) {
		static const char *const argv[] = {"sleep", "1000", NULL};
		const shim_spawn_opts o = {.path = "/bin/sleep", .argv = argv, .dies_with_us = dies_with_us};
		bool ok =
			shim_spawn(&o, &pid, NULL) == SP_OK && write(told[1], &pid, sizeof pid) == sizeof pid;
		_exit(ok ? 0 : 1);
	}
	T_TRUE(close(told[1]) == 0);
	T_TRUE(read(told[0], &pid, sizeof pid) == sizeof pid);
	T_TRUE(close(told[0]) == 0);
	T_EQ_I64(waitpid(parent, NULL, 0), parent);
	int status = 0;
	T_TRUE(dies_with_us || kill(pid, SIGTERM) == 0);
	T_EQ_I64(waitpid(pid, &status, 0), pid);
	T_TRUE(WIFSIGNALED(status));
	*ret_signal = WTERMSIG(status);
}

SP_TEST(shim_child, dies_with_its_parent)
{
	int signal = 0;
	end_after(false, &signal);
	T_EQ_I64(signal, SIGTERM);
	end_after(true, &signal);
	T_EQ_I64(signal, SIGKILL);
}

SP_TEST(shim_child, what_cannot_start)
{
	static const char *const argv[] = {"none", NULL};
	const shim_spawn_opts o = {.path = "/none", .argv = argv};
	int pid;
	T_CODE(shim_spawn(&o, &pid, T_ERR), SP_ENOTFOUND);
}

SP_TEST(shim_cgroup, directories)
{
	char dir[SHIM_CGROUP_PATH_BYTES];
	const shim_cgroup_fs v1 = {"/cg", false}, v2 = {"/cg", true};
	static const sp_str text =
		SP_STR_INIT("9:name=systemd:/s\n4:memory:/pod/c\n3:cpu,cpuacct:/pod/d\n0::/u\n");
	T_TRUE(shim_cgroup_dir(&v1, text, "memory", dir));
	T_EQ_C(sp_str_c(dir), "/cg/memory/pod/c");
	T_TRUE(shim_cgroup_dir(&v1, text, "cpuacct", dir));
	T_EQ_C(sp_str_c(dir), "/cg/cpuacct/pod/d");
	T_TRUE(!shim_cgroup_dir(&v1, text, "pids", dir));
	T_TRUE(shim_cgroup_dir(&v2, text, "memory", dir));
	T_EQ_C(sp_str_c(dir), "/cg/u");
	T_TRUE(!shim_cgroup_dir(&v2, SP_STR("0::/../up\n"), "memory", dir));
	T_TRUE(!shim_cgroup_dir(&v2, SP_STR(""), "memory", dir));
}

static void sum_pid(void *arg, uint32_t pid)
{
	*(uint64_t *)arg += pid;
}

SP_TEST(shim_cgroup, processes_below)
{
	uint64_t sum = 0;
	put("c/cgroup.procs", "1\n20\n");
	put("c/child/cgroup.procs", "300\n");
	put("c/child/deep/cgroup.procs", "4000\nx\n");
	shim_cgroup_pids(in_tmp("c"), sum_pid, &sum);
	T_EQ_U64(sum, 4321);
}

/* A message's fields by their path of numbers; 0 when absent. */
static uint64_t field_at(sp_str bytes, const uint32_t *path, size_t n)
{
	sp_pb_field f;
	while (bytes.len > 0 && sp_pb_next(&bytes, "m", &f, NULL) == SP_OK) {
		if (f.number != path[0])
			continue;
		return n == 1 ? f.value : field_at(f.bytes, path + 1, n - 1);
	}
	return 0;
}
#define AT_PATH(bytes, ...) \
	field_at((bytes), (const uint32_t[]){__VA_ARGS__}, SP_LEN(((const uint32_t[]){__VA_ARGS__})))

SP_TEST(shim_cgroup, figures_version_1)
{
	SP_AUTO_BUF out;
	sp_str type;
	sp_buf_init(&out, (size_t)1 << 16);
	put("memory/c/memory.stat", "cache 5\nrss 6\ntotal_pgfault 26\ntotal_inactive_file 30\nunknown 1\n");
	put("memory/c/memory.usage_in_bytes", "1000\n");
	put("memory/c/memory.limit_in_bytes", "2000\n");
	put("memory/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
	put("pids/c/pids.current", "4\n");
	put("pids/c/pids.max", "max\n");
	put("cpuacct/c/cpuacct.usage", "77\n");
	put("cpuacct/c/cpuacct.usage_percpu", "30 47 \n");
	put("cpu/c/cpu.stat", "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n");
	put("blkio/c/blkio.throttle.io_service_bytes_recursive",
	    "8:16 Read 4096\n8:16 Write 1\nTotal 4097\n");
	const shim_cgroup_fs fs = {t_tmpdir(), false};
	T_OK(shim_cgroup_stats(&fs, SP_STR("1:memory:/c\n2:pids:/c\n3:cpu:/c\n4:cpuacct:/c\n5:blkio:/c\n"),
			       &out, &type, T_ERR));
	T_EQ_C(type, "io.containerd.cgroups.v1.Metrics");
	sp_str m = sp_buf_view(&out);
	T_EQ_U64(AT_PATH(m, 4, 1), 5);
	T_EQ_U64(AT_PATH(m, 4, 26), 26);
	T_EQ_U64(AT_PATH(m, 4, 30), 30);
	T_EQ_U64(AT_PATH(m, 4, 33, 1), 2000);
	T_EQ_U64(AT_PATH(m, 4, 33, 2), 1000);
	T_EQ_U64(AT_PATH(m, 9, 3), 3);
	T_EQ_U64(AT_PATH(m, 2, 1), 4);
	T_EQ_U64(AT_PATH(m, 2, 2), 0);
	T_EQ_U64(AT_PATH(m, 3, 1, 1), 77);
	T_EQ_U64(AT_PATH(m, 3, 2, 3), 3);
	T_EQ_U64(AT_PATH(m, 5, 1, 3), 8);
	T_EQ_U64(AT_PATH(m, 5, 1, 4), 16);
	T_EQ_U64(AT_PATH(m, 5, 1, 5), 4096);
}

SP_TEST(shim_cgroup, figures_version_2)
{
	SP_AUTO_BUF out;
	sp_str type;
	sp_buf_init(&out, (size_t)1 << 16);
	put("c/memory.stat", "anon 1\nfile 2\ninactive_file 13\npgfault 18\n");
	put("c/memory.current", "500\n");
	put("c/memory.max", "max\n");
	put("c/memory.events", "low 0\nhigh 0\nmax 3\noom 4\noom_kill 5\n");
	put("c/pids.current", "2\n");
	put("c/cpu.stat", "usage_usec 10\nuser_usec 6\nsystem_usec 4\n");
	put("c/io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n");
	const shim_cgroup_fs fs = {t_tmpdir(), true};
	T_OK(shim_cgroup_stats(&fs, SP_STR("0::/c\n"), &out, &type, T_ERR));
	T_EQ_C(type, "io.containerd.cgroups.v2.Metrics");
	sp_str m = sp_buf_view(&out);
	T_EQ_U64(AT_PATH(m, 2, 1), 10);
	T_EQ_U64(AT_PATH(m, 4, 13), 13);
	T_EQ_U64(AT_PATH(m, 4, 32), 500);
	T_EQ_U64(AT_PATH(m, 4, 33), UINT64_MAX);
	T_EQ_U64(AT_PATH(m, 8, 5), 5);
	T_EQ_U64(AT_PATH(m, 6, 1, 1), 8);
	T_EQ_U64(AT_PATH(m, 6, 1, 6), 4);
	T_CODE(shim_cgroup_stats(&fs, SP_STR("0::/gone\n"), &out, &type, T_ERR), SP_ENOTFOUND);
}

/* ---- the OCI runtime ---- */

static void make_at(const char *dir, const char *name, const char *content, mode_t mode)
{
	char path[512];
	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	T_OK(shim_write_file(AT_FDCWD, path, sp_str_c(content), mode, T_ERR));
}

SP_TEST(shim_oci, chosen_by_name_machine_and_mounts)
{
	static const struct {
		const char *name;
		bool hybrid, shares;
		const char *want;
		bool hide, noted;
	} rows[] = {
		{"", false, true, "crun", false, false},    {"", true, false, "crun", true, false},
		{"", true, true, "runc", false, true},      {"crun", true, true, "runc", false, true},
		{"crun", true, false, "crun", true, false}, {"runc", true, true, "runc", false, false},
		{"other", true, true, NULL, false, false},
	};
	char unified[512], want[512];
	(void)snprintf(unified, sizeof unified, "%s/unified", t_tmpdir());
	T_TRUE(mkdir(unified, 0700) == 0);
	make_at(t_tmpdir(), "crun", "", 0700);
	make_at(t_tmpdir(), "runc", "", 0700);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		const shim_options o = {.binary_name = sp_str_c(rows[i].name)};
		const shim_config config = {.shares_mounts = rows[i].shares};
		const shim_cgroup_fs fs = {.root = t_tmpdir()};
		shim_oci oci = {.path = NULL};
		sp_str note = {NULL, 0};
		make_at(unified, "cgroup.controllers", rows[i].hybrid ? "hugetlb\n" : "\n", 0600);
		sp_code code = shim_oci_choose(&o, &config, &fs, SP_STR("ns"), sp_str_c(t_tmpdir()), T_ARENA,
					       &oci, &note, T_ERR);
		if (rows[i].want == NULL) {
			T_EQ_U64(code, SP_ENOTFOUND);
			continue;
		}
		(void)snprintf(want, sizeof want, "%s/%s", t_tmpdir(), rows[i].want);
		T_OK(code);
		T_EQ_C(sp_str_c(oci.path), want);
		T_TRUE(oci.hide == rows[i].hide);
		T_TRUE((note.len > 0) == rows[i].noted);
	}
}

/* ---- OCI runtimes without a shim ---- */

/* It waits for input that does not come. */
static pid_t runtime_of(const char *log, int input)
{
	pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(input, STDIN_FILENO);
		(void)execl("/bin/sh", "sh", "-c", "read x", "crun", "--log", log, (char *)NULL);
		_exit(1);
	}
	return pid;
}

/* Until its command line is there. */
static void await_exec(pid_t pid)
{
	char path[64];
	(void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	for (;;) {
		SP_AUTO_BUF text;
		sp_buf_init(&text, 65536);
		if (shim_read_file(AT_FDCWD, path, &text, NULL) != SP_OK ||
		    sp_str_find(sp_buf_view(&text), SP_STR("--log")) >= 0)
			return;
	}
}

/* Those of this bundle are gone, not only signalled, when it returns; another's goes on. */
SP_TEST(shim_orphans, runtimes_of_a_bundle)
{
	if (t_torture())
		t_skip("real processes");
	const char *bundle = t_tmpdir();
	int fds[2];
	T_TRUE(pipe2(fds, O_CLOEXEC) == 0);
	pid_t ours = runtime_of(in_tmp("log.json"), fds[0]), other = runtime_of(in_tmp("no.json"), fds[0]);
	T_TRUE(ours > 0 && other > 0);
	await_exec(ours);
	await_exec(other);
	shim_end_runtimes("/proc", bundle);
	int status = 0;
	pid_t ended = waitpid(ours, &status, WNOHANG), still = waitpid(other, NULL, WNOHANG);
	(void)kill(ours, SIGKILL);
	(void)kill(other, SIGKILL);
	(void)close(fds[0]);
	(void)close(fds[1]);
	T_EQ_I64(ended, ours);
	T_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	T_EQ_I64(still, 0);
	shim_end_runtimes("/proc", in_tmp("nothing")); /* fine */
}

/* A process as /proc shows it; its name is chosen to mislead. */
static void put_proc(unsigned flags, unsigned long start_code, const char *caught)
{
	char text[512];
	(void)mkdir(in_tmp("7"), 0755);
	int n = snprintf(text, sizeof text,
			 "7 (a) b 64 (c) R 1 7 7 0 -1 %u 1 2 3 4 5 6 7 8 20 0 1 0 99 1000 10 "
			 "18446744073709551615 %lu 4300000 0 0\n",
			 flags, start_code);
	T_OK(shim_write_file(AT_FDCWD, in_tmp("7/stat"), (sp_str){text, (size_t)n}, 0644, T_ERR));
	n = snprintf(text, sizeof text, "Name:\tx\nSigPnd:\t0000000000004000\nSigCgt:\t%s\n", caught);
	T_OK(shim_write_file(AT_FDCWD, in_tmp("7/status"), (sp_str){text, (size_t)n}, 0644, T_ERR));
}

#define TERM_ONLY "0000000000004000"
#define NONE "0000000000000000"
#define ALL "fffffffd7fc1feff"
#define FORKED 0x400040u
#define PROGRAM 0x400000u

SP_TEST(shim_hearing, what_is_seen_of_a_process)
{
	static const struct {
		const char *what, *caught;
		unsigned flags;
		unsigned long start_code;
		uint32_t signal;
		bool early;
	} rows[] = {
		{"runc's init, all handlers", ALL, FORKED, 4214784, SIGTERM, true},
		{"crun's, none", NONE, FORKED, 4214784, SIGTERM, true},
		{"becomes another: old handlers, no code", ALL, PROGRAM, 0, SIGTERM, true},
		{"the program, without a handler yet", NONE, PROGRAM, 4198400, SIGTERM, true},
		{"with one", TERM_ONLY, PROGRAM, 4198400, SIGTERM, false},
		{"with one for another signal", TERM_ONLY, PROGRAM, 4198400, SIGHUP, true},
		{"what can't be caught need not wait", NONE, FORKED, 4214784, SIGKILL, false},
		{"nor does a mere question", NONE, FORKED, 4214784, 0, false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		shim_hearing h = {.started_ns = 10 * SHIM_S};
		t_row("%s", rows[i].what);
		put_proc(rows[i].flags, rows[i].start_code, rows[i].caught);
		T_EQ_I64(shim_signal_is_early(&h, t_tmpdir(), 7, rows[i].signal, 10 * SHIM_S + 1),
			 rows[i].early);
	}
	shim_hearing h = {.started_ns = 10 * SHIM_S};
	T_TRUE(!shim_signal_is_early(&h, t_tmpdir(), 8, SIGTERM, 10 * SHIM_S + 1)); /* there is none */
}

/* A program's second begins when it is the program: a machine may be slow, but not for ever. */
SP_TEST(shim_hearing, how_long_is_waited)
{
	shim_hearing h = {0};
	put_proc(FORKED, 4214784, ALL);
	T_TRUE(shim_signal_is_early(&h, t_tmpdir(), 7, SIGTERM, 10 * SHIM_S)); /* start is under way */
	h.started_ns = 11 * SHIM_S;
	T_TRUE(shim_signal_is_early(&h, t_tmpdir(), 7, SIGTERM, 14 * SHIM_S));
	put_proc(PROGRAM, 4198400, NONE);
	T_TRUE(shim_signal_is_early(&h, t_tmpdir(), 7, SIGTERM, 15 * SHIM_S - 1));
	T_TRUE(!shim_signal_is_early(&h, t_tmpdir(), 7, SIGTERM, 15 * SHIM_S));
	h = (shim_hearing){.started_ns = 11 * SHIM_S};
	T_TRUE(shim_signal_is_early(&h, t_tmpdir(), 7, SIGTERM, 12 * SHIM_S - 1));
	T_TRUE(!shim_signal_is_early(&h, t_tmpdir(), 7, SIGTERM, 12 * SHIM_S));
	put_proc(FORKED, 4214784, NONE); /* never becomes anything */
	T_TRUE(shim_signal_is_early(&h, t_tmpdir(), 7, SIGTERM, 16 * SHIM_S - 1));
	T_TRUE(!shim_signal_is_early(&h, t_tmpdir(), 7, SIGTERM, 16 * SHIM_S));
	T_TRUE(!shim_signal_is_early(&h, t_tmpdir(), 7, SIGTERM, 18 * SHIM_S));
}
