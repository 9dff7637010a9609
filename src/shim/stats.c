/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of a cgroup as containerd's Metrics messages. Files are read one by one and written as protobuf
 * fields by tables; nothing is kept.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/num.h"
#include "base/pb.h"
#include "shim/cgroup.h"
#include "shim/files.h"

#define FILE_BYTES_MAX ((size_t)256 << 10)
#define UNLIMITED UINT64_MAX

/* A line "key value" of a flat file, or a file of one number, and the field it becomes. */
typedef struct row {
	const char *key;
	uint32_t number;
} row;

static bool read_in(const char *dir, const char *name, sp_buf *out)
{
	char path[SHIM_CGROUP_PATH_BYTES];
	int n = snprintf(path, sizeof path, "%s/%s", dir, name);
	sp_buf_clear(out);
	return n > 0 && (size_t)n < sizeof path && shim_read_file(AT_FDCWD, path, out, NULL) == SP_OK;
}

static uint64_t number_in(const char *dir, const char *name, uint64_t otherwise)
{
	char path[SHIM_CGROUP_PATH_BYTES];
	int n = snprintf(path, sizeof path, "%s/%s", dir, name);
	return n > 0 && (size_t)n < sizeof path ? shim_read_number(path, otherwise) : otherwise;
}

static bool take_line(sp_str *in, sp_str *ret)
{
	if (in->len == 0)
		return false;
	if (!sp_str_cut(in, '\n', ret)) {
		*ret = *in;
		*in = (sp_str){NULL, 0};
	}
	return true;
}

static bool take_number(sp_str word, uint64_t *ret)
{
	return sp_parse_u64(word, 0, UINT64_MAX, ret, NULL) == SP_OK;
}

/* Fields for those lines "key value" of the file that the table names. */
static void put_flat(sp_buf *out, const char *dir, const char *name, const row *rows, size_t n)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, FILE_BYTES_MAX);
	if (!read_in(dir, name, &text))
		return;
	sp_str rest = sp_buf_view(&text), line, key;
	while (take_line(&rest, &line)) {
		uint64_t v;
		if (!sp_str_cut(&line, ' ', &key) || !take_number(sp_str_trim(line), &v))
			continue;
		for (size_t i = 0; i < n; i++) {
			if (v != 0 && sp_str_eq(key, sp_str_c(rows[i].key)))
				sp_pb_uint(out, rows[i].number, v);
		}
	}
}

/* Fields for files of one number each. */
static void put_files(sp_buf *out, const char *dir, const row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v = number_in(dir, rows[i].key, 0);
		if (v != 0)
			sp_pb_uint(out, rows[i].number, v);
	}
}

static void put_pids(sp_buf *out, uint32_t number, const char *dir)
{
	static const row rows[] = {{"pids.current", 1}, {"pids.max", 2}}; /* "max" is 0, as upstream */
	size_t at = sp_pb_open(out, number);
	put_files(out, dir, rows, SP_LEN(rows));
	sp_pb_close(out, at);
}

/* ---- version 1 ---- */

static const row memory_v1[] = {
	{"cache", 1},
	{"rss", 2},
	{"rss_huge", 3},
	{"mapped_file", 4},
	{"dirty", 5},
	{"writeback", 6},
	{"pgpgin", 7},
	{"pgpgout", 8},
	{"pgfault", 9},
	{"pgmajfault", 10},
	{"inactive_anon", 11},
	{"active_anon", 12},
	{"inactive_file", 13},
	{"active_file", 14},
	{"unevictable", 15},
	{"hierarchical_memory_limit", 16},
	{"hierarchical_memsw_limit", 17},
	{"total_cache", 18},
	{"total_rss", 19},
	{"total_rss_huge", 20},
	{"total_mapped_file", 21},
	{"total_dirty", 22},
	{"total_writeback", 23},
	{"total_pgpgin", 24},
	{"total_pgpgout", 25},
	{"total_pgfault", 26},
	{"total_pgmajfault", 27},
	{"total_inactive_anon", 28},
	{"total_active_anon", 29},
	{"total_inactive_file", 30},
	{"total_active_file", 31},
	{"total_unevictable", 32},
};

static void put_memory_v1(sp_buf *out, const char *dir)
{
	static const struct {
		uint32_t number;
		row files[4];
	} entries[] = {
		{33,
		 {{"memory.limit_in_bytes", 1},
		  {"memory.usage_in_bytes", 2},
		  {"memory.max_usage_in_bytes", 3},
		  {"memory.failcnt", 4}}},
		{34,
		 {{"memory.memsw.limit_in_bytes", 1},
		  {"memory.memsw.usage_in_bytes", 2},
		  {"memory.memsw.max_usage_in_bytes", 3},
		  {"memory.memsw.failcnt", 4}}},
		{35,
		 {{"memory.kmem.limit_in_bytes", 1},
		  {"memory.kmem.usage_in_bytes", 2},
		  {"memory.kmem.max_usage_in_bytes", 3},
		  {"memory.kmem.failcnt", 4}}},
		{36,
		 {{"memory.kmem.tcp.limit_in_bytes", 1},
		  {"memory.kmem.tcp.usage_in_bytes", 2},
		  {"memory.kmem.tcp.max_usage_in_bytes", 3},
		  {"memory.kmem.tcp.failcnt", 4}}},
	};
	size_t at = sp_pb_open(out, 4);
	put_flat(out, dir, "memory.stat", memory_v1, SP_LEN(memory_v1));
	for (size_t i = 0; i < SP_LEN(entries); i++) {
		size_t entry = sp_pb_open(out, entries[i].number);
		put_files(out, dir, entries[i].files, SP_LEN(entries[i].files));
		sp_pb_close(out, entry);
	}
	sp_pb_close(out, at);

	static const row oom[] = {{"oom_kill_disable", 1}, {"under_oom", 2}, {"oom_kill", 3}};
	at = sp_pb_open(out, 9);
	put_flat(out, dir, "memory.oom_control", oom, SP_LEN(oom));
	sp_pb_close(out, at);
}

static void put_per_cpu(sp_buf *out, const char *dir)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, FILE_BYTES_MAX);
	if (!read_in(dir, "cpuacct.usage_percpu", &text))
		return;
	sp_str rest = sp_str_trim(sp_buf_view(&text)), word;
	size_t at = sp_pb_open(out, 4);
	while (rest.len > 0) {
		uint64_t v;
		(void)sp_str_next(&rest, ' ', &word);
		if (take_number(word, &v))
			sp_pb_varint(out, v);
	}
	sp_pb_close(out, at);
}

/* cpuacct.stat counts in ticks. */
static uint64_t ticks_ns(const char *dir, const char *key)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, FILE_BYTES_MAX);
	long hz = sysconf(_SC_CLK_TCK);
	if (hz <= 0 || !read_in(dir, "cpuacct.stat", &text))
		return 0;
	sp_str rest = sp_buf_view(&text), line, name;
	while (take_line(&rest, &line)) {
		uint64_t v;
		if (sp_str_cut(&line, ' ', &name) && sp_str_eq(name, sp_str_c(key)) && take_number(line, &v))
			return v * (UINT64_C(1000000000) / (uint64_t)hz);
	}
	return 0;
}

static void put_number(sp_buf *out, uint32_t number, uint64_t v)
{
	if (v != 0)
		sp_pb_uint(out, number, v);
}

static void put_cpu_v1(sp_buf *out, const shim_cgroup_fs *fs, sp_str text)
{
	static const row throttle[] = {{"nr_periods", 1}, {"nr_throttled", 2}, {"throttled_time", 3}};
	char dir[SHIM_CGROUP_PATH_BYTES];
	size_t at = sp_pb_open(out, 3);
	if (shim_cgroup_dir(fs, text, "cpuacct", dir)) {
		size_t usage = sp_pb_open(out, 1);
		put_number(out, 1, number_in(dir, "cpuacct.usage", 0));
		put_number(out, 2, ticks_ns(dir, "system"));
		put_number(out, 3, ticks_ns(dir, "user"));
		put_per_cpu(out, dir);
		sp_pb_close(out, usage);
	}
	if (shim_cgroup_dir(fs, text, "cpu", dir)) {
		size_t inner = sp_pb_open(out, 2);
		put_flat(out, dir, "cpu.stat", throttle, SP_LEN(throttle));
		sp_pb_close(out, inner);
	}
	sp_pb_close(out, at);
}

/* "8:0 Read 4096"; the line "Total 4096" has no device. */
static void put_blkio_file(sp_buf *out, uint32_t number, const char *dir, const char *name)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, FILE_BYTES_MAX);
	if (!read_in(dir, name, &text))
		return;
	sp_str rest = sp_buf_view(&text), line, major, minor, op;
	while (take_line(&rest, &line)) {
		uint64_t v[3];
		if (!sp_str_cut(&line, ':', &major) || !sp_str_cut(&line, ' ', &minor) ||
		    !sp_str_cut(&line, ' ', &op) || !take_number(major, &v[0]) ||
		    !take_number(minor, &v[1]) || !take_number(line, &v[2]))
			continue;
		size_t at = sp_pb_open(out, number);
		sp_pb_bytes(out, 1, op);
		put_number(out, 3, v[0]);
		put_number(out, 4, v[1]);
		put_number(out, 5, v[2]);
		sp_pb_close(out, at);
	}
}

static void put_blkio_v1(sp_buf *out, const char *dir)
{
	/* The policy that has figures: bfq's when that scheduler runs, else those of throttling. */
	char probe[SHIM_CGROUP_PATH_BYTES];
	int n = snprintf(probe, sizeof probe, "%s/blkio.bfq.io_service_bytes_recursive", dir);
	bool bfq = n > 0 && (size_t)n < sizeof probe && shim_file_exists(probe);
	SP_AUTO_BUF text;
	sp_buf_init(&text, FILE_BYTES_MAX);
	bfq = bfq && read_in(dir, "blkio.bfq.io_service_bytes_recursive", &text) &&
	      sp_str_index(sp_buf_view(&text), ':') >= 0;
	size_t at = sp_pb_open(out, 5);
	put_blkio_file(out, 1, dir,
		       bfq ? "blkio.bfq.io_service_bytes_recursive"
			   : "blkio.throttle.io_service_bytes_recursive");
	put_blkio_file(out, 2, dir,
		       bfq ? "blkio.bfq.io_serviced_recursive" : "blkio.throttle.io_serviced_recursive");
	sp_pb_close(out, at);
}

static void put_v1(sp_buf *out, const shim_cgroup_fs *fs, sp_str text)
{
	char dir[SHIM_CGROUP_PATH_BYTES];
	if (shim_cgroup_dir(fs, text, "pids", dir))
		put_pids(out, 2, dir);
	put_cpu_v1(out, fs, text);
	if (shim_cgroup_dir(fs, text, "memory", dir))
		put_memory_v1(out, dir);
	if (shim_cgroup_dir(fs, text, "blkio", dir))
		put_blkio_v1(out, dir);
}

/* ---- version 2 ---- */

static const row memory_v2[] = {
	{"anon", 1},
	{"file", 2},
	{"kernel_stack", 3},
	{"slab", 4},
	{"sock", 5},
	{"shmem", 6},
	{"file_mapped", 7},
	{"file_dirty", 8},
	{"file_writeback", 9},
	{"anon_thp", 10},
	{"inactive_anon", 11},
	{"active_anon", 12},
	{"inactive_file", 13},
	{"active_file", 14},
	{"unevictable", 15},
	{"slab_reclaimable", 16},
	{"slab_unreclaimable", 17},
	{"pgfault", 18},
	{"pgmajfault", 19},
	{"workingset_refault", 20},
	{"workingset_activate", 21},
	{"workingset_nodereclaim", 22},
	{"pgrefill", 23},
	{"pgscan", 24},
	{"pgsteal", 25},
	{"pgactivate", 26},
	{"pgdeactivate", 27},
	{"pglazyfree", 28},
	{"pglazyfreed", 29},
	{"thp_fault_alloc", 30},
	{"thp_collapse_alloc", 31},
};

static void put_memory_v2(sp_buf *out, const char *dir)
{
	static const row events[] = {{"low", 1}, {"high", 2}, {"max", 3}, {"oom", 4}, {"oom_kill", 5}};
	size_t at = sp_pb_open(out, 4);
	put_flat(out, dir, "memory.stat", memory_v2, SP_LEN(memory_v2));
	put_number(out, 32, number_in(dir, "memory.current", 0));
	put_number(out, 33, number_in(dir, "memory.max", UNLIMITED));
	put_number(out, 34, number_in(dir, "memory.swap.current", 0));
	put_number(out, 35, number_in(dir, "memory.swap.max", UNLIMITED));
	sp_pb_close(out, at);
	at = sp_pb_open(out, 8);
	put_flat(out, dir, "memory.events", events, SP_LEN(events));
	sp_pb_close(out, at);
}

/* "8:0 rbytes=1 wbytes=2 …" */
static void put_io_v2(sp_buf *out, const char *dir)
{
	static const row keys[] = {{"rbytes", 3}, {"wbytes", 4}, {"rios", 5}, {"wios", 6}};
	SP_AUTO_BUF text;
	sp_buf_init(&text, FILE_BYTES_MAX);
	if (!read_in(dir, "io.stat", &text))
		return;
	size_t all = sp_pb_open(out, 6);
	sp_str rest = sp_buf_view(&text), line, major, minor, word, key;
	while (take_line(&rest, &line)) {
		uint64_t v;
		if (!sp_str_cut(&line, ':', &major) || !sp_str_cut(&line, ' ', &minor))
			continue;
		size_t at = sp_pb_open(out, 1);
		put_number(out, 1, take_number(major, &v) ? v : 0);
		put_number(out, 2, take_number(minor, &v) ? v : 0);
		while (sp_str_next(&line, ' ', &word)) {
			if (!sp_str_cut(&word, '=', &key) || !take_number(word, &v))
				continue;
			for (size_t i = 0; i < SP_LEN(keys); i++) {
				if (sp_str_eq(key, sp_str_c(keys[i].key)))
					put_number(out, keys[i].number, v);
			}
		}
		sp_pb_close(out, at);
	}
	sp_pb_close(out, all);
}

static void put_v2(sp_buf *out, const char *dir)
{
	static const row cpu[] = {{"usage_usec", 1}, {"user_usec", 2},    {"system_usec", 3},
				  {"nr_periods", 4}, {"nr_throttled", 5}, {"throttled_usec", 6}};
	put_pids(out, 1, dir);
	size_t at = sp_pb_open(out, 2);
	put_flat(out, dir, "cpu.stat", cpu, SP_LEN(cpu));
	sp_pb_close(out, at);
	put_memory_v2(out, dir);
	put_io_v2(out, dir);
}

sp_code shim_cgroup_stats(const shim_cgroup_fs *fs, sp_str text, sp_buf *out, sp_str *ret_type, sp_err *err)
{
	char dir[SHIM_CGROUP_PATH_BYTES];
	if (!shim_cgroup_dir(fs, text, "memory", dir) || !shim_file_exists(dir))
		return sp_fail(err, SP_ENOTFOUND, "cgroup deleted");
	if (fs->v2)
		put_v2(out, dir);
	else
		put_v1(out, fs, text);
	*ret_type = fs->v2 ? SP_STR("io.containerd.cgroups.v2.Metrics")
			   : SP_STR("io.containerd.cgroups.v1.Metrics");
	return sp_buf_code(out);
}
