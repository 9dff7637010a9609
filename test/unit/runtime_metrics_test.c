/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of cgroups of both versions below trees of files, and the metrics that are made of them. */
#include "runtime/metrics.h"

#include <sys/stat.h>

#include "io/file.h"
#include "io/uv/uv.h"
#include "lib/t.h"

static void world_free(void *w)
{
	sp_world_uv_free(w);
}

static sp_world *open_world(void)
{
	sp_world *w = NULL;
	if (sp_world_uv_new(&w, T_ERR) == SP_OK)
		T_DEFER(world_free, w);
	return w;
}

static void put(sp_world *w, const char *name, const char *text)
{
	sp_str path = sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), name);
	sp_str dir = sp_str_sub(path, 0, (size_t)sp_str_rindex(path, '/'));
	T_OK(sp_dir_make(w, dir, 0755, T_ERR));
	T_OK(sp_file_replace(w, path, sp_str_c(text), 0644, T_ERR));
}

static const rt_device_io *io_of(const rt_figures *f, const char *operation, bool counts)
{
	for (size_t i = 0; i < f->n_io; i++) {
		if (sp_str_eq(f->io[i].operation, sp_str_c(operation)) && f->io[i].counts == counts)
			return &f->io[i];
	}
	return NULL;
}

static void put_v1(sp_world *w)
{
	put(w, "memory/p/c/memory.usage_in_bytes", "5000\n");
	put(w, "memory/p/c/memory.max_usage_in_bytes", "7000\n");
	put(w, "memory/p/c/memory.limit_in_bytes", "9223372036854771712\n");
	put(w, "memory/p/c/memory.failcnt", "3\n");
	put(w, "memory/p/c/memory.kmem.usage_in_bytes", "400\n");
	put(w, "memory/p/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	put(w, "memory/p/c/cgroup.procs", "1\n2\n");
	put(w, "memory/p/c/memory.stat",
	    "cache 1\npgfault 10\npgmajfault 11\ntotal_cache 2000\ntotal_rss 1000\ntotal_mapped_file 30\n"
	    "total_pgfault 12\ntotal_pgmajfault 13\ntotal_inactive_file 1500\ntotal_active_file 500\n"
	    "total_swap 77\n");
	put(w, "cpuacct/p/c/cpuacct.usage", "2500000000\n");
	put(w, "cpuacct/p/c/cpuacct.stat", "user 150\nsystem 250\n");
	put(w, "cpu/p/c/cpu.stat", "nr_periods 5\nnr_throttled 4\nthrottled_time 3000000000\n");
	put(w, "pids/p/c/pids.current", "9\n");
	put(w, "pids/p/c/pids.max", "max\n");
	put(w, "blkio/p/c/blkio.throttle.io_service_bytes_recursive",
	    "4294967:1 Read 4096\n4294967:1 Write 8192\n4294967:1 Total 12288\nTotal 12288\n");
	put(w, "blkio/p/c/blkio.throttle.io_serviced_recursive", "4294967:1 Read 1\nnonsense\nTotal 1\n");
	put(w, "hugetlb/p/c/hugetlb.1GB.usage_in_bytes", "1073741824\n");
	put(w, "hugetlb/p/c/hugetlb.1GB.max_usage_in_bytes", "2147483648\n");
	put(w, "hugetlb/p/c/hugetlb.2MB.usage_in_bytes", "2097152\n");
	put(w, "hugetlb/p/c/hugetlb.2MB.rsvd.usage_in_bytes", "4194304\n");
	put(w, "hugetlb/p/c/hugetlb.2MB.rsvd.max_usage_in_bytes", "8388608\n");
	put(w, "hugetlb/p/c/cgroup.procs", "1\n");
}

SP_TEST(runtime_metrics, figures_of_version_1)
{
	sp_world *w = open_world();
	T_TRUE(w != NULL);
	put_v1(w);
	rt_figures f;
	rt_figures_init(&f);
	rt_figures_read(w, sp_str_c(t_tmpdir()), SP_STR("/p/c"), true, T_ARENA, &f);
	const struct {
		rt_figure which;
		uint64_t want;
	} rows[] = {{RT_CPU_NS, 2500000000},
		    {RT_CPU_USER_NS, 1500000000},
		    {RT_CPU_SYSTEM_NS, 2500000000},
		    {RT_CPU_PERIODS, 5},
		    {RT_CPU_THROTTLED_PERIODS, 4},
		    {RT_CPU_THROTTLED_NS, 3000000000},
		    {RT_MEMORY_USAGE, 5000},
		    {RT_MEMORY_WORKING_SET, 3500},
		    {RT_MEMORY_RSS, 1000},
		    {RT_MEMORY_CACHE, 2000},
		    {RT_MEMORY_MAPPED_FILE, 30},
		    {RT_MEMORY_SWAP, 77},
		    {RT_MEMORY_KERNEL, 400},
		    {RT_MEMORY_FAILCNT, 3},
		    {RT_MEMORY_MAX_USAGE, 7000},
		    {RT_OWN_FAULTS, 10},
		    {RT_OWN_MAJOR_FAULTS, 11},
		    {RT_FAULTS, 12},
		    {RT_MAJOR_FAULTS, 13},
		    {RT_OOM_KILLS, 2},
		    {RT_PROCESSES, 2},
		    {RT_THREADS, 9},
		    {RT_THREADS_MAX, 0},
		    {RT_PRESSURE_CPU_SOME, RT_NO_FIGURE}};
	T_TRUE(f.found);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		T_EQ_U64(f.at[rows[i].which], rows[i].want);
	}
	const rt_device_io *wrote = io_of(&f, "Write", false), *reads = io_of(&f, "Read", true);
	T_TRUE(wrote != NULL && reads != NULL && f.n_io == 4);
	T_EQ_U64(wrote->value, 8192);
	T_EQ_C(wrote->device, "4294967:1"); /* no such device here: it has no name */
	T_EQ_U64(f.n_huge, 2);
	T_EQ_C(f.huge[0].size, "1GB"); /* this one as a kernel before 5.7 counts it */
	T_EQ_U64(f.huge[0].at[RT_HUGE_USAGE], 1073741824);
	T_EQ_U64(f.huge[0].at[RT_HUGE_MAX_USAGE], 2147483648);
	T_EQ_C(f.huge[1].size, "2MB");
	T_EQ_U64(f.huge[1].at[RT_HUGE_USAGE], 4194304);
	T_EQ_U64(f.huge[1].at[RT_HUGE_MAX_USAGE], 8388608);
}

SP_TEST(runtime_metrics, figures_of_version_2)
{
	sp_world *w = open_world();
	T_TRUE(w != NULL);
	put(w, "p/c/memory.current", "5000\n");
	put(w, "p/c/memory.peak", "6000\n");
	put(w, "p/c/memory.max", "8000\n");
	put(w, "p/c/memory.stat",
	    "anon 1000\nfile 2000\nkernel 400\nfile_mapped 30\ninactive_file 6000\n"
	    "active_file 500\npgfault 12\npgmajfault 13\n");
	put(w, "p/c/memory.events", "low 0\noom 1\noom_kill 2\n");
	put(w, "p/c/cpu.stat", "usage_usec 2500000\nuser_usec 1500000\nsystem_usec 1000000\n");
	put(w, "p/c/cgroup.procs", "1\n");
	put(w, "p/c/pids.current", "9\n");
	put(w, "p/c/pids.max", "100\n");
	put(w, "p/c/io.stat", "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n");
	put(w, "p/c/cpu.pressure",
	    "some avg10=0.00 avg60=0.00 avg300=0.00 total=7000000\n"
	    "full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
	put(w, "p/c/hugetlb.2MB.current", "0\n");
	put(w, "p/c/hugetlb.2MB.rsvd.current", "4194304\n");
	rt_figures f;
	rt_figures_init(&f);
	rt_figures_read(w, sp_str_c(t_tmpdir()), SP_STR("/p/c"), true, T_ARENA, &f);
	const struct {
		rt_figure which;
		uint64_t want;
	} rows[] = {{RT_CPU_NS, 2500000000},       {RT_CPU_USER_NS, 1500000000},
		    {RT_MEMORY_WORKING_SET, 0},    {RT_MEMORY_LIMIT, 8000},
		    {RT_MEMORY_KERNEL, 400},       {RT_MEMORY_MAX_USAGE, 6000},
		    {RT_MEMORY_SWAP, 0},           {RT_MEMORY_FAILCNT, 0},
		    {RT_OWN_FAULTS, 12},           {RT_OOM_KILLS, 2},
		    {RT_THREADS_MAX, 100},         {RT_PRESSURE_CPU_SOME, 7000000},
		    {RT_PRESSURE_CPU_FULL, 5},     {RT_PRESSURE_IO_SOME, RT_NO_FIGURE},
		    {RT_CPU_PERIODS, RT_NO_FIGURE}};
	T_TRUE(f.found);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		T_EQ_U64(f.at[rows[i].which], rows[i].want);
	}
	const rt_device_io *wrote = io_of(&f, "Write", true);
	T_TRUE(wrote != NULL && f.n_io == 6);
	T_EQ_U64(wrote->value, 4);
	T_EQ_U64(f.n_huge, 1);
	T_EQ_C(f.huge[0].size, "2MB");
	T_EQ_U64(f.huge[0].at[RT_HUGE_USAGE], 4194304);
	T_EQ_U64(f.huge[0].at[RT_HUGE_MAX_USAGE], 0);
}

/* What statistics ask for reads no more than that; a cgroup that is gone has nothing. */
SP_TEST(runtime_metrics, few_figures_and_none)
{
	sp_world *w = open_world();
	T_TRUE(w != NULL);
	put_v1(w);
	rt_figures f;
	rt_figures_init(&f);
	rt_figures_read(w, sp_str_c(t_tmpdir()), SP_STR("/p/c"), false, T_ARENA, &f);
	T_TRUE(f.found && f.n_io == 0 && f.n_huge == 0);
	T_EQ_U64(f.at[RT_MEMORY_WORKING_SET], 3500);
	T_EQ_U64(f.at[RT_PROCESSES], 2);
	T_EQ_U64(f.at[RT_OOM_KILLS], RT_NO_FIGURE);
	rt_figures_init(&f);
	rt_figures_read(w, sp_str_c(t_tmpdir()), SP_STR("/p/gone"), true, T_ARENA, &f);
	T_TRUE(!f.found);
	T_EQ_U64(f.at[RT_MEMORY_SWAP], RT_NO_FIGURE);
}

static const sp_cri_metric *metric_of(const sp_cri_metric *at, size_t n, const char *name, size_t nth)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(at[i].name, sp_str_c(name)) && nth-- == 0)
			return &at[i];
	}
	return NULL;
}

/* A client pairs the values of labels with the keys of the metric of that name. */
SP_TEST(runtime_metrics, every_metric_fits_its_descriptor)
{
	const rt_metric_subject who = {SP_STR("p"), SP_STR("n"), SP_STR("c"), SP_STR("i"), SP_STR("img")};
	const rt_device_io io[] = {
		{8, 16, SP_STR("/dev/sdb"), SP_STR("Read"), false, 4096},
		{8, 16, SP_STR("/dev/sdb"), SP_STR("Read"), true, 1},
		{8, 16, SP_STR("/dev/sdb"), SP_STR("Write"), false, 7},
		{8, 16, SP_STR("/dev/sdb"), SP_STR("Write"), true, 2},
	};
	const rt_huge_pages huge[] = {{SP_STR("1GB"), {1, 2}}, {SP_STR("2MB"), {4, 5}}};
	rt_figures f = {.found = true, .io = io, .n_io = SP_LEN(io), .huge = huge, .n_huge = SP_LEN(huge)};
	for (size_t i = 0; i < RT_FIGURES_; i++)
		f.at[i] = 10000000000 + i;
	sp_cri_list_metric_descriptors_response d;
	sp_cri_metric *at = NULL;
	size_t n = 0, n_named = 0;
	T_OK(rt_metric_descriptors(T_ARENA, &d, T_ERR));
	T_OK(rt_metrics_of(&who, &f, 5, T_ARENA, &at, &n, T_ERR));
	for (size_t i = 0; i < d.descriptors.n; i++) {
		const sp_cri_metric_descriptor *one = &d.descriptors.at[i];
		const sp_cri_metric *m;
		t_row(SP_FMT, SP_ARG(one->name));
		T_TRUE(one->help.len > 0 && one->label_keys.n >= 5);
		T_TRUE(metric_of(at, n, one->name.ptr, 0) != NULL);
		for (size_t k = 0; (m = metric_of(at, n, one->name.ptr, k)) != NULL; k++, n_named++) {
			T_EQ_U64(m->label_values.n, one->label_keys.n);
			T_EQ_I64(m->timestamp, 5);
		}
	}
	T_EQ_U64(n_named, n); /* no name twice, none without a descriptor */
	const sp_cri_metric *cpu = metric_of(at, n, "container_cpu_usage_seconds_total", 0);
	T_EQ_U64(cpu->value->value, 10);
	T_EQ_I64(cpu->metric_type, SP_CRI_METRIC_COUNTER);
	T_EQ_C(cpu->label_values.at[3], "i");
	const sp_cri_metric *faults = metric_of(at, n, "container_memory_failures_total", 3);
	T_EQ_C(faults->label_values.at[5], "pgmajfault");
	T_EQ_C(faults->label_values.at[6], "hierarchy");
	const sp_cri_metric *device = metric_of(at, n, "container_blkio_device_usage_total", 1);
	T_EQ_C(device->label_values.at[7], "16");
	T_EQ_C(device->label_values.at[8], "Write");
	T_EQ_U64(device->value->value, 7);
	T_EQ_U64(metric_of(at, n, "container_fs_writes_total", 0)->value->value, 2);
	const sp_cri_metric *pages = metric_of(at, n, "container_hugetlb_max_usage_bytes", 1);
	T_EQ_C(pages->label_values.at[5], "2MB");
	T_EQ_U64(pages->value->value, 5);
}

SP_TEST(runtime_metrics, what_is_not_known_is_not_told)
{
	const rt_metric_subject who = {.pod = SP_STR("p")};
	rt_figures f;
	sp_cri_metric *at = NULL;
	size_t n = 1;
	rt_figures_init(&f);
	T_OK(rt_metrics_of(&who, &f, 5, T_ARENA, &at, &n, T_ERR));
	T_EQ_U64(n, 0);
	f.at[RT_OOM_KILLS] = 0;
	T_OK(rt_metrics_of(&who, &f, 5, T_ARENA, &at, &n, T_ERR));
	T_EQ_U64(n, 1);
	T_EQ_C(at[0].name, "container_oom_events_total");
}
