/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/figures.h"

#include "base/num.h"
#include "io/file.h"

#define FILE_BYTES (256u << 10)
#define SCRATCH_BYTES ((size_t)2 << 20)
#define IO_MAX 4096u      /* lines of a file about devices */
#define TICK_NS 10000000u /* USER_HZ is 100 on every Linux */

/* A number, or a line "key number" of a file; rows of one file stand together. */
typedef struct row {
	uint8_t figure;
	bool all; /* only when all are asked for */
	const char *controller, *file, *key;
	uint32_t scale;
} row;

static const row rows_v1[] = {
	{RT_MEMORY_USAGE, false, "memory", "memory.usage_in_bytes", NULL, 1},
	{RT_MEMORY_RSS, false, "memory", "memory.stat", "total_rss", 1},
	{RT_MEMORY_INACTIVE_FILE, false, "memory", "memory.stat", "total_inactive_file", 1},
	{RT_FAULTS, false, "memory", "memory.stat", "total_pgfault", 1},
	{RT_MAJOR_FAULTS, false, "memory", "memory.stat", "total_pgmajfault", 1},
	{RT_MEMORY_CACHE, true, "memory", "memory.stat", "total_cache", 1},
	{RT_MEMORY_MAPPED_FILE, true, "memory", "memory.stat", "total_mapped_file", 1},
	{RT_MEMORY_SWAP, true, "memory", "memory.stat", "total_swap", 1},
	{RT_MEMORY_ACTIVE_FILE, true, "memory", "memory.stat", "total_active_file", 1},
	{RT_OWN_FAULTS, true, "memory", "memory.stat", "pgfault", 1},
	{RT_OWN_MAJOR_FAULTS, true, "memory", "memory.stat", "pgmajfault", 1},
	{RT_MEMORY_LIMIT, false, "memory", "memory.limit_in_bytes", NULL, 1},
	{RT_CPU_NS, false, "cpuacct", "cpuacct.usage", NULL, 1},
	{RT_MEMORY_KERNEL, true, "memory", "memory.kmem.usage_in_bytes", NULL, 1},
	{RT_MEMORY_FAILCNT, true, "memory", "memory.failcnt", NULL, 1},
	{RT_MEMORY_MAX_USAGE, true, "memory", "memory.max_usage_in_bytes", NULL, 1},
	{RT_OOM_KILLS, true, "memory", "memory.oom_control", "oom_kill", 1},
	{RT_CPU_USER_NS, true, "cpuacct", "cpuacct.stat", "user", TICK_NS},
	{RT_CPU_SYSTEM_NS, true, "cpuacct", "cpuacct.stat", "system", TICK_NS},
	{RT_CPU_PERIODS, true, "cpu", "cpu.stat", "nr_periods", 1},
	{RT_CPU_THROTTLED_PERIODS, true, "cpu", "cpu.stat", "nr_throttled", 1},
	{RT_CPU_THROTTLED_NS, true, "cpu", "cpu.stat", "throttled_time", 1},
	{RT_THREADS, true, "pids", "pids.current", NULL, 1},
	{RT_THREADS_MAX, true, "pids", "pids.max", NULL, 1},
};

/* Its counts have no other kind than with those below. */
static const row rows_v2[] = {
	{RT_MEMORY_USAGE, false, "", "memory.current", NULL, 1},
	{RT_MEMORY_RSS, false, "", "memory.stat", "anon", 1},
	{RT_MEMORY_INACTIVE_FILE, false, "", "memory.stat", "inactive_file", 1},
	{RT_FAULTS, false, "", "memory.stat", "pgfault", 1},
	{RT_MAJOR_FAULTS, false, "", "memory.stat", "pgmajfault", 1},
	{RT_OWN_FAULTS, true, "", "memory.stat", "pgfault", 1},
	{RT_OWN_MAJOR_FAULTS, true, "", "memory.stat", "pgmajfault", 1},
	{RT_MEMORY_CACHE, true, "", "memory.stat", "file", 1},
	{RT_MEMORY_MAPPED_FILE, true, "", "memory.stat", "file_mapped", 1},
	{RT_MEMORY_KERNEL, true, "", "memory.stat", "kernel", 1},
	{RT_MEMORY_ACTIVE_FILE, true, "", "memory.stat", "active_file", 1},
	{RT_MEMORY_LIMIT, false, "", "memory.max", NULL, 1},
	{RT_CPU_NS, false, "", "cpu.stat", "usage_usec", 1000},
	{RT_CPU_USER_NS, true, "", "cpu.stat", "user_usec", 1000},
	{RT_CPU_SYSTEM_NS, true, "", "cpu.stat", "system_usec", 1000},
	{RT_CPU_PERIODS, true, "", "cpu.stat", "nr_periods", 1},
	{RT_CPU_THROTTLED_PERIODS, true, "", "cpu.stat", "nr_throttled", 1},
	{RT_CPU_THROTTLED_NS, true, "", "cpu.stat", "throttled_usec", 1000},
	{RT_MEMORY_SWAP, true, "", "memory.swap.current", NULL, 1},
	{RT_MEMORY_MAX_USAGE, true, "", "memory.peak", NULL, 1},
	{RT_OOM_KILLS, true, "", "memory.events", "oom_kill", 1},
	{RT_THREADS, true, "", "pids.current", NULL, 1},
	{RT_THREADS_MAX, true, "", "pids.max", NULL, 1},
};

typedef struct reading {
	sp_world *world;
	sp_str root, path;
	bool all;
	sp_arena *a;      /* of what is told */
	sp_arena scratch; /* of texts */
	const row *of;    /* the row whose file `text` is */
	sp_str text;
	rt_figures *f;
} reading;

void rt_figures_init(rt_figures *f)
{
	*f = (rt_figures){.found = false};
	for (size_t i = 0; i < RT_FIGURES_; i++)
		f->at[i] = RT_NO_FIGURE;
}

/* ---- files ---- */

/* NULL: it can't be read. */
static sp_str read_file(reading *x, const char *controller, const char *name)
{
	sp_str text;
	sp_str path = SP_CONCAT(&x->scratch, x->root, SP_STR("/"), sp_str_c(controller), SP_STR("/"), x->path,
				SP_STR("/"), sp_str_c(name));
	if (sp_file_read_arena(x->world, path, &x->scratch, FILE_BYTES, &text, NULL) != SP_OK)
		return (sp_str){NULL, 0};
	return text;
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

/* "max" and what is no number are none. */
static uint64_t number(sp_str text)
{
	uint64_t v;
	return sp_parse_u64(sp_str_trim(text), 0, RT_NO_FIGURE - 1, &v, NULL) == SP_OK ? v : RT_NO_FIGURE;
}

/* The number behind a key in a file of lines "key number". */
static uint64_t number_of(sp_str text, const char *key)
{
	sp_str line, word;
	while (take_line(&text, &line)) {
		if (sp_str_cut(&line, ' ', &word) && sp_str_eq(word, sp_str_c(key)))
			return number(line);
	}
	return RT_NO_FIGURE;
}

static bool same_file(const row *a, const row *b)
{
	return a != NULL && strcmp(a->file, b->file) == 0 && strcmp(a->controller, b->controller) == 0;
}

static void read_row(reading *x, const row *r)
{
	if (r->all && !x->all)
		return;
	if (!same_file(x->of, r)) {
		sp_arena_reset(&x->scratch);
		x->text = read_file(x, r->controller, r->file);
		x->of = r;
	}
	uint64_t v = RT_NO_FIGURE;
	if (x->text.ptr != NULL)
		v = r->key == NULL ? number(x->text) : number_of(x->text, r->key);
	x->f->at[r->figure] = v == RT_NO_FIGURE ? v : v * r->scale;
}

/* Lines of cgroup.procs. */
static void read_processes(reading *x, const char *controller)
{
	sp_arena_reset(&x->scratch);
	x->of = NULL;
	sp_str text = read_file(x, controller, "cgroup.procs"), line;
	uint64_t n = 0;
	while (take_line(&text, &line))
		n++;
	x->f->at[RT_PROCESSES] = n;
}

/* ---- devices ---- */

static sp_str device_name(reading *x, uint64_t major, uint64_t minor)
{
	sp_str text, line, key;
	sp_str path = sp_arena_printf(&x->scratch, "/sys/dev/block/%llu:%llu/uevent",
				      (unsigned long long)major, (unsigned long long)minor);
	if (sp_file_read_arena(x->world, path, &x->scratch, FILE_BYTES, &text, NULL) == SP_OK) {
		while (take_line(&text, &line)) {
			if (sp_str_cut(&line, '=', &key) && sp_str_eq(key, SP_STR("DEVNAME")))
				return SP_CONCAT(x->a, SP_STR("/dev/"), line);
		}
	}
	return sp_arena_printf(x->a, "%llu:%llu", (unsigned long long)major, (unsigned long long)minor);
}

/* "8:0" at the beginning of a line. */
static bool take_device(sp_str *line, uint64_t *ret_major, uint64_t *ret_minor)
{
	sp_str major, minor;
	return sp_str_cut(line, ':', &major) && sp_str_cut(line, ' ', &minor) &&
	       sp_parse_u64(major, 0, UINT32_MAX, ret_major, NULL) == SP_OK &&
	       sp_parse_u64(minor, 0, UINT32_MAX, ret_minor, NULL) == SP_OK;
}

typedef struct io_list {
	rt_device_io *at;
	size_t n, cap;
} io_list;

static void add_io(reading *x, io_list *l, const rt_device_io *io)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
		rt_device_io *at = sp_arena_try_grow(x->a, l->at, l->cap * sizeof *at, cap * sizeof *at);
		if (cap > IO_MAX || at == NULL)
			return;
		l->at = at;
		l->cap = cap;
	}
	l->at[l->n++] = *io;
}

/* Lines "8:0 Read 123". */
static void read_io_v1(reading *x, io_list *l, const char *file, bool counts)
{
	sp_arena_reset(&x->scratch);
	sp_str text = read_file(x, "blkio", file), line, word;
	while (take_line(&text, &line)) {
		uint64_t major, minor, v;
		if (!take_device(&line, &major, &minor) || !sp_str_cut(&line, ' ', &word) ||
		    (v = number(line)) == RT_NO_FIGURE)
			continue;
		const rt_device_io io = {.major = (uint32_t)major,
					 .minor = (uint32_t)minor,
					 .device = device_name(x, major, minor),
					 .operation = sp_arena_try_dup(x->a, word),
					 .counts = counts,
					 .value = v};
		add_io(x, l, &io);
	}
}

/* Lines "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6". */
static void read_io_v2(reading *x, io_list *l)
{
	static const struct {
		const char *key, *operation;
		bool counts;
	} words[] = {{"rbytes", "Read", false}, {"wbytes", "Write", false}, {"dbytes", "Discard", false},
		     {"rios", "Read", true},    {"wios", "Write", true},    {"dios", "Discard", true}};
	sp_arena_reset(&x->scratch);
	sp_str text = read_file(x, "", "io.stat"), line, word, key;
	while (take_line(&text, &line)) {
		uint64_t major, minor;
		if (!take_device(&line, &major, &minor))
			continue;
		sp_str device = device_name(x, major, minor);
		while (sp_str_next(&line, ' ', &word)) {
			if (!sp_str_cut(&word, '=', &key))
				continue;
			for (size_t i = 0; i < SP_LEN(words); i++) {
				const rt_device_io io = {.major = (uint32_t)major,
							 .minor = (uint32_t)minor,
							 .device = device,
							 .operation = sp_str_c(words[i].operation),
							 .counts = words[i].counts,
							 .value = number(word)};
				if (sp_str_eq(key, sp_str_c(words[i].key)) && io.value != RT_NO_FIGURE)
					add_io(x, l, &io);
			}
		}
	}
}

static void read_io(reading *x, bool v2)
{
	io_list l = {NULL, 0, 0};
	x->of = NULL;
	if (v2) {
		read_io_v2(x, &l);
	} else {
		read_io_v1(x, &l, "blkio.throttle.io_service_bytes_recursive", false);
		read_io_v1(x, &l, "blkio.throttle.io_serviced_recursive", true);
	}
	x->f->io = l.at;
	x->f->n_io = l.n;
}

/* ---- huge pages ---- */

/* U: opencontainers/cgroups fs/hugetlb.go, fs2/hugetlb.go: what is reserved, where the kernel counts that. */
static const struct {
	const char *controller;
	const char *of[RT_HUGE_FIGURES_]; /* the end of a file's name; NULL: not counted */
} huge_files[] = {
	{"hugetlb", {".usage_in_bytes", ".max_usage_in_bytes"}},
	{"", {".current", NULL}},
};

/* "2MB" of "hugetlb.2MB.current"; "hugetlb.2MB.rsvd.current" is another file of the same size. */
static bool take_huge_size(sp_str name, const char *usage, sp_str *ret)
{
	if (!sp_str_take(&name, SP_STR("hugetlb.")) || !sp_str_ends(name, sp_str_c(usage)))
		return false;
	*ret = sp_str_sub(name, 0, name.len - strlen(usage));
	return sp_str_index(*ret, '.') < 0;
}

static uint64_t huge_figure(reading *x, bool v2, sp_str size, size_t which)
{
	static const char *const kinds[] = {".rsvd", ""};
	const char *end = huge_files[v2].of[which];
	uint64_t v = RT_NO_FIGURE;
	for (size_t i = 0; i < SP_LEN(kinds) && end != NULL && v == RT_NO_FIGURE; i++) {
		sp_str name =
			sp_arena_printf(&x->scratch, "hugetlb." SP_FMT "%s%s", SP_ARG(size), kinds[i], end);
		if (name.ptr != NULL)
			v = number(read_file(x, huge_files[v2].controller, name.ptr));
	}
	return v == RT_NO_FIGURE ? 0 : v;
}

static void read_huge(reading *x, bool v2)
{
	sp_dir_entry *names;
	size_t n;
	sp_str size;
	sp_arena_reset(&x->scratch);
	x->of = NULL;
	sp_str dir = SP_CONCAT(&x->scratch, x->root, SP_STR("/"), sp_str_c(huge_files[v2].controller),
			       SP_STR("/"), x->path);
	if (sp_dir_list(x->world, dir, &x->scratch, &names, &n, NULL) != SP_OK)
		return;
	rt_huge_pages *at = sp_arena_try_grow(x->a, NULL, 0, n * sizeof *at);
	for (size_t i = 0; i < n && at != NULL; i++) {
		if (!take_huge_size(names[i].name, huge_files[v2].of[RT_HUGE_USAGE], &size))
			continue;
		rt_huge_pages *one = &at[x->f->n_huge++];
		one->size = sp_arena_try_dup(x->a, size);
		for (size_t k = 0; k < RT_HUGE_FIGURES_; k++)
			one->at[k] = huge_figure(x, v2, size, k);
	}
	x->f->huge = at;
}

/* ---- pressure ---- */

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12". */
static void read_pressure(reading *x, const char *file, rt_figure some)
{
	static const sp_str kinds[] = {SP_STR_INIT("some"), SP_STR_INIT("full")};
	sp_arena_reset(&x->scratch);
	x->of = NULL;
	sp_str text = read_file(x, "", file), line, word;
	while (take_line(&text, &line)) {
		if (!sp_str_cut(&line, ' ', &word))
			continue;
		ptrdiff_t total = sp_str_rindex(line, '=');
		for (size_t i = 0; i < SP_LEN(kinds) && total >= 0; i++) {
			if (sp_str_eq(word, kinds[i]))
				x->f->at[(size_t)some + i] =
					number(sp_str_sub(line, (size_t)total + 1, line.len));
		}
	}
}

/* ---- all ---- */

static void read_rows(reading *x, const row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		read_row(x, &rows[i]);
	x->f->found = x->f->at[RT_MEMORY_USAGE] != RT_NO_FIGURE;
}

static void read_v2_rest(reading *x)
{
	read_rows(x, rows_v2, SP_LEN(rows_v2));
	if (!x->f->found)
		return;
	read_processes(x, "");
	if (!x->all)
		return;
	read_io(x, true);
	read_huge(x, true);
	read_pressure(x, "cpu.pressure", RT_PRESSURE_CPU_SOME);
	read_pressure(x, "memory.pressure", RT_PRESSURE_MEMORY_SOME);
	read_pressure(x, "io.pressure", RT_PRESSURE_IO_SOME);
	x->f->at[RT_MEMORY_FAILCNT] = 0; /* the kernel counts none */
}

static void read_v1_rest(reading *x)
{
	read_processes(x, "memory");
	if (!x->all)
		return;
	read_io(x, false);
	read_huge(x, false);
}

void rt_figures_read(sp_world *w, sp_str root, sp_str path, bool all, sp_arena *a, rt_figures *f)
{
	reading x = {.world = w, .root = root, .path = path, .all = all, .a = a, .f = f};
	if (path.len == 0)
		return;
	sp_arena_init(&x.scratch, SCRATCH_BYTES);
	read_rows(&x, rows_v1, SP_LEN(rows_v1));
	if (f->found)
		read_v1_rest(&x);
	else
		read_v2_rest(&x);
	if (f->found) {
		uint64_t inactive = f->at[RT_MEMORY_INACTIVE_FILE], usage = f->at[RT_MEMORY_USAGE];
		f->at[RT_MEMORY_WORKING_SET] = inactive == RT_NO_FIGURE ? usage
					       : usage > inactive       ? usage - inactive
									: 0;
		if (all && f->at[RT_THREADS] != RT_NO_FIGURE && f->at[RT_THREADS_MAX] == RT_NO_FIGURE)
			f->at[RT_THREADS_MAX] = 0;
		if (all && f->at[RT_MEMORY_SWAP] == RT_NO_FIGURE)
			f->at[RT_MEMORY_SWAP] = 0; /* a kernel without swap */
	}
	sp_arena_done(&x.scratch);
}
