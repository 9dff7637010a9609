/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/metrics.h"

#define KEYS_MAX 9u
#define BASE_KEYS 5u
#define SERIES_MAX 4u
#define NS_PER_S 1000000000u
#define US_PER_S 1000000u

/* ---- labels ---- */

typedef enum keys { BASE, OF_DEVICE, OF_INTERFACE, OF_FAILURE, OF_OPERATION, OF_LIMIT, OF_SIZE } keys;

static const struct {
	sp_str at[KEYS_MAX];
	size_t n;
} key_sets[] = {
#define BASE_SET                                                                                   \
	SP_STR_INIT("pod"), SP_STR_INIT("namespace"), SP_STR_INIT("container"), SP_STR_INIT("id"), \
		SP_STR_INIT("image")
	[BASE] = {{BASE_SET}, BASE_KEYS},
	[OF_DEVICE] = {{BASE_SET, SP_STR_INIT("device")}, 6},
	[OF_INTERFACE] = {{BASE_SET, SP_STR_INIT("interface")}, 6},
	[OF_FAILURE] = {{BASE_SET, SP_STR_INIT("failure_type"), SP_STR_INIT("scope")}, 7},
	[OF_OPERATION] = {{BASE_SET, SP_STR_INIT("device"), SP_STR_INIT("major"), SP_STR_INIT("minor"),
			   SP_STR_INIT("operation")},
			  9},
	[OF_LIMIT] = {{BASE_SET, SP_STR_INIT("ulimit")}, 6},
	[OF_SIZE] = {{BASE_SET, SP_STR_INIT("pagesize")}, 6},
};

/* ---- the table ---- */

/* One figure of a metric, and the values of its labels beyond the first. */
typedef struct series {
	uint8_t figure;
	const char *labels[2];
} series;

/* Or all that devices did: bytes or counts of one operation, or of every one. Or a figure of each size of
 * huge pages. */
typedef enum many { NOT_MANY, BYTES_OF, COUNTS_OF, BYTES_OF_ALL, OF_HUGE_PAGES } many;

typedef struct family {
	const char *name, *help;
	keys keys;
	int32_t type;
	uint32_t divide;
	series series[SERIES_MAX];
	size_t n;
	many many;
	const char *operation;
} family;

#define COUNTER SP_CRI_METRIC_COUNTER
#define GAUGE SP_CRI_METRIC_GAUGE
#define ONE(figure_) .series = {{figure_, {NULL, NULL}}}, .n = 1
#define ON_ROOT(figure_) .series = {{figure_, {"/", NULL}}}, .n = 1
#define ON_LINK(figure_) .series = {{figure_, {"eth0", NULL}}}, .n = 1
#define F(name_, help_, keys_, type_, divide_, ...)                                                      \
	{                                                                                                \
		.name = (name_), .help = (help_), .keys = (keys_), .type = (type_), .divide = (divide_), \
		__VA_ARGS__                                                                              \
	}

static const family families[] = {
	F("container_cpu_user_seconds_total", "Cumulative user CPU time consumed in seconds.", BASE, COUNTER,
	  NS_PER_S, ONE(RT_CPU_USER_NS)),
	F("container_cpu_system_seconds_total", "Cumulative system CPU time consumed in seconds.", BASE,
	  COUNTER, NS_PER_S, ONE(RT_CPU_SYSTEM_NS)),
	F("container_cpu_usage_seconds_total", "Cumulative CPU time consumed in seconds.", BASE, COUNTER,
	  NS_PER_S, ONE(RT_CPU_NS)),
	F("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.", BASE, COUNTER,
	  1, ONE(RT_CPU_PERIODS)),
	F("container_cpu_cfs_throttled_periods_total", "Number of CPU throttled period intervals.", BASE,
	  COUNTER, 1, ONE(RT_CPU_THROTTLED_PERIODS)),
	F("container_cpu_cfs_throttled_seconds_total",
	  "Total time duration the container has been throttled.", BASE, COUNTER, NS_PER_S,
	  ONE(RT_CPU_THROTTLED_NS)),

	F("container_memory_cache", "Number of bytes of memory used by the container for caching purposes.",
	  BASE, GAUGE, 1, ONE(RT_MEMORY_CACHE)),
	F("container_memory_rss", "Size of RSS in bytes.", BASE, GAUGE, 1, ONE(RT_MEMORY_RSS)),
	F("container_memory_kernel_usage", "Size of kernel memory allocated in bytes.", BASE, GAUGE, 1,
	  ONE(RT_MEMORY_KERNEL)),
	F("container_memory_mapped_file", "Size of memory mapped files in bytes.", BASE, GAUGE, 1,
	  ONE(RT_MEMORY_MAPPED_FILE)),
	F("container_memory_swap", "Container swap usage in bytes.", BASE, GAUGE, 1, ONE(RT_MEMORY_SWAP)),
	F("container_memory_failcnt", "Number of memory usage hits limits", BASE, COUNTER, 1,
	  ONE(RT_MEMORY_FAILCNT)),
	F("container_memory_usage_bytes",
	  "Current memory usage in bytes, including all memory regardless of when it was accessed", BASE,
	  GAUGE, 1, ONE(RT_MEMORY_USAGE)),
	F("container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes", BASE, GAUGE, 1,
	  ONE(RT_MEMORY_MAX_USAGE)),
	F("container_memory_working_set_bytes", "Current working set in bytes.", BASE, GAUGE, 1,
	  ONE(RT_MEMORY_WORKING_SET)),
	F("container_memory_total_active_file_bytes", "Current total active file in bytes.", BASE, GAUGE, 1,
	  ONE(RT_MEMORY_ACTIVE_FILE)),
	F("container_memory_total_inactive_file_bytes", "Current total inactive file in bytes.", BASE, GAUGE,
	  1, ONE(RT_MEMORY_INACTIVE_FILE)),
	F("container_memory_failures_total", "Cumulative count of memory allocation failures.", OF_FAILURE,
	  COUNTER, 1,
	  .series = {{RT_OWN_FAULTS, {"pgfault", "container"}},
		     {RT_FAULTS, {"pgfault", "hierarchy"}},
		     {RT_OWN_MAJOR_FAULTS, {"pgmajfault", "container"}},
		     {RT_MAJOR_FAULTS, {"pgmajfault", "hierarchy"}}},
	  .n = 4),
	F("container_oom_events_total", "Count of out of memory events observed for the container", BASE,
	  COUNTER, 1, ONE(RT_OOM_KILLS)),

	F("container_network_receive_bytes_total", "Cumulative count of bytes received", OF_INTERFACE,
	  COUNTER, 1, ON_LINK(RT_NET_RX_BYTES)),
	F("container_network_receive_packets_total", "Cumulative count of packets received", OF_INTERFACE,
	  COUNTER, 1, ON_LINK(RT_NET_RX_PACKETS)),
	F("container_network_receive_packets_dropped_total",
	  "Cumulative count of packets dropped while receiving", OF_INTERFACE, COUNTER, 1,
	  ON_LINK(RT_NET_RX_DROPPED)),
	F("container_network_receive_errors_total", "Cumulative count of errors encountered while receiving",
	  OF_INTERFACE, COUNTER, 1, ON_LINK(RT_NET_RX_ERRORS)),
	F("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", OF_INTERFACE,
	  COUNTER, 1, ON_LINK(RT_NET_TX_BYTES)),
	F("container_network_transmit_packets_total", "Cumulative count of packets transmitted", OF_INTERFACE,
	  COUNTER, 1, ON_LINK(RT_NET_TX_PACKETS)),
	F("container_network_transmit_packets_dropped_total",
	  "Cumulative count of packets dropped while transmitting", OF_INTERFACE, COUNTER, 1,
	  ON_LINK(RT_NET_TX_DROPPED)),
	F("container_network_transmit_errors_total",
	  "Cumulative count of errors encountered while transmitting", OF_INTERFACE, COUNTER, 1,
	  ON_LINK(RT_NET_TX_ERRORS)),

	F("container_fs_inodes_free", "Number of available Inodes", OF_DEVICE, GAUGE, 1,
	  ON_ROOT(RT_FS_INODES_FREE)),
	F("container_fs_inodes_total", "Number of Inodes", OF_DEVICE, GAUGE, 1, ON_ROOT(RT_FS_INODES_TOTAL)),
	F("container_fs_limit_bytes",
	  "Number of bytes that can be consumed by the container on this filesystem.", OF_DEVICE, GAUGE, 1,
	  ON_ROOT(RT_FS_LIMIT)),
	F("container_fs_usage_bytes",
	  "Number of bytes that are consumed by the container on this filesystem.", OF_DEVICE, GAUGE, 1,
	  ON_ROOT(RT_FS_USAGE)),
	F("container_fs_reads_bytes_total", "Cumulative count of bytes read", OF_DEVICE, COUNTER, 1,
	  .many = BYTES_OF, .operation = "Read"),
	F("container_fs_reads_total", "Cumulative count of reads completed", OF_DEVICE, COUNTER, 1,
	  .many = COUNTS_OF, .operation = "Read"),
	F("container_fs_writes_bytes_total", "Cumulative count of bytes written", OF_DEVICE, COUNTER, 1,
	  .many = BYTES_OF, .operation = "Write"),
	F("container_fs_writes_total", "Cumulative count of writes completed", OF_DEVICE, COUNTER, 1,
	  .many = COUNTS_OF, .operation = "Write"),
	F("container_blkio_device_usage_total", "Blkio device bytes usage", OF_OPERATION, COUNTER, 1,
	  .many = BYTES_OF_ALL),

	F("container_hugetlb_usage_bytes", "Current hugepage usage in bytes", OF_SIZE, GAUGE, 1,
	  ONE(RT_HUGE_USAGE), .many = OF_HUGE_PAGES),
	F("container_hugetlb_max_usage_bytes", "Maximum hugepage usage recorded in bytes", OF_SIZE, GAUGE, 1,
	  ONE(RT_HUGE_MAX_USAGE), .many = OF_HUGE_PAGES),

	F("container_processes", "Number of processes running inside the container.", BASE, GAUGE, 1,
	  ONE(RT_PROCESSES)),
	F("container_file_descriptors", "Number of open file descriptors for the container.", BASE, GAUGE, 1,
	  ONE(RT_DESCRIPTORS)),
	F("container_sockets", "Number of open sockets for the container.", BASE, GAUGE, 1, ONE(RT_SOCKETS)),
	F("container_threads_max",
	  "Maximum number of threads allowed inside the container, infinity if value is zero", BASE, GAUGE, 1,
	  ONE(RT_THREADS_MAX)),
	F("container_threads", "Number of threads running inside the container", BASE, GAUGE, 1,
	  ONE(RT_THREADS)),
	F("container_ulimits_soft",
	  "Soft ulimit values for the container root process. Unlimited if -1, except priority and nice",
	  OF_LIMIT, GAUGE, 1, .series = {{RT_OPEN_FILES_SOFT, {"max_open_files", NULL}}}, .n = 1),

	F("container_pressure_cpu_stalled_seconds_total",
	  "Total time duration no tasks in the container could make progress due to CPU congestion.", BASE,
	  COUNTER, US_PER_S, ONE(RT_PRESSURE_CPU_FULL)),
	F("container_pressure_cpu_waiting_seconds_total",
	  "Total time duration tasks in the container have waited due to CPU congestion.", BASE, COUNTER,
	  US_PER_S, ONE(RT_PRESSURE_CPU_SOME)),
	F("container_pressure_memory_stalled_seconds_total",
	  "Total time duration no tasks in the container could make progress due to memory congestion.", BASE,
	  COUNTER, US_PER_S, ONE(RT_PRESSURE_MEMORY_FULL)),
	F("container_pressure_memory_waiting_seconds_total",
	  "Total time duration tasks in the container have waited due to memory congestion.", BASE, COUNTER,
	  US_PER_S, ONE(RT_PRESSURE_MEMORY_SOME)),
	F("container_pressure_io_stalled_seconds_total",
	  "Total time duration no tasks in the container could make progress due to IO congestion.", BASE,
	  COUNTER, US_PER_S, ONE(RT_PRESSURE_IO_FULL)),
	F("container_pressure_io_waiting_seconds_total",
	  "Total time duration tasks in the container have waited due to IO congestion.", BASE, COUNTER,
	  US_PER_S, ONE(RT_PRESSURE_IO_SOME)),

	F("container_last_seen", "Last time a container was seen by the exporter", BASE, GAUGE, 1,
	  ONE(RT_LAST_SEEN_S)),
	F("container_start_time_seconds", "Start time of the container since unix epoch in seconds", BASE,
	  GAUGE, 1, ONE(RT_STARTED_S)),

	F("container_spec_cpu_period", "CPU period of the container", BASE, GAUGE, 1,
	  ONE(RT_SPEC_CPU_PERIOD)),
	F("container_spec_cpu_quota", "CPU quota of the container", BASE, GAUGE, 1, ONE(RT_SPEC_CPU_QUOTA)),
	F("container_spec_cpu_shares", "CPU share of the container", BASE, GAUGE, 1, ONE(RT_SPEC_CPU_SHARES)),
	F("container_spec_memory_limit_bytes", "Memory limit for the container", BASE, GAUGE, 1,
	  ONE(RT_SPEC_MEMORY_LIMIT)),
	F("container_spec_memory_swap_limit_bytes", "Memory swap limit for the container", BASE, GAUGE, 1,
	  ONE(RT_SPEC_MEMORY_SWAP_LIMIT)),
};

sp_code rt_metric_descriptors(sp_arena *a, sp_cri_list_metric_descriptors_response *ret, sp_err *err)
{
	*ret = (sp_cri_list_metric_descriptors_response){.descriptors.n = 0};
	ret->descriptors.at = sp_try_new(a, sp_cri_metric_descriptor, SP_LEN(families));
	if (ret->descriptors.at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the descriptors of metrics");
	for (size_t i = 0; i < SP_LEN(families); i++) {
		sp_cri_metric_descriptor *d = &ret->descriptors.at[ret->descriptors.n++];
		const sp_str *names = key_sets[families[i].keys].at;
		d->name = sp_str_c(families[i].name);
		d->help = sp_str_c(families[i].help);
		d->label_keys.n = key_sets[families[i].keys].n;
		d->label_keys.at = sp_arena_try_grow(a, NULL, 0, d->label_keys.n * sizeof *names);
		if (d->label_keys.at == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for the descriptors of metrics");
		memcpy(d->label_keys.at, names, d->label_keys.n * sizeof *names);
	}
	return SP_OK;
}

/* ---- values ---- */

typedef struct out {
	sp_arena *a;
	sp_cri_metric *at;
	size_t n, cap;
	int64_t when;
	sp_str *base; /* shared by all that have no others */
	bool failed;
} out;

static size_t series_count(const rt_figures *f)
{
	size_t n = 0;
	for (size_t i = 0; i < SP_LEN(families); i++)
		n += families[i].many == NOT_MANY        ? families[i].n
		     : families[i].many == OF_HUGE_PAGES ? f->n_huge
							 : f->n_io;
	return n;
}

static void add(out *o, const family *f, const sp_str *more, size_t n_more, uint64_t v)
{
	sp_cri_metric *m = &o->at[o->n];
	sp_str *labels = o->base;
	sp_cri_uint64_value *boxed = sp_try_new(o->a, sp_cri_uint64_value, 1);
	if (n_more > 0) {
		labels = sp_try_new(o->a, sp_str, BASE_KEYS + n_more);
		if (labels != NULL) {
			memcpy(labels, o->base, BASE_KEYS * sizeof *labels);
			memcpy(labels + BASE_KEYS, more, n_more * sizeof *labels);
		}
	}
	if (boxed == NULL || labels == NULL) {
		o->failed = true;
		return;
	}
	SP_ASSERT(o->n < o->cap && BASE_KEYS + n_more == key_sets[f->keys].n);
	boxed->value = v / f->divide;
	*m = (sp_cri_metric){.name = sp_str_c(f->name),
			     .timestamp = o->when,
			     .metric_type = f->type,
			     .label_values = {labels, BASE_KEYS + n_more},
			     .value = boxed};
	o->n++;
}

static void add_series(out *o, const family *f, const rt_figures *figures)
{
	for (size_t i = 0; i < f->n; i++) {
		const series *s = &f->series[i];
		sp_str more[2];
		size_t n = 0;
		while (n < 2 && s->labels[n] != NULL) {
			more[n] = sp_str_c(s->labels[n]);
			n++;
		}
		if (figures->at[s->figure] != RT_NO_FIGURE)
			add(o, f, more, n, figures->at[s->figure]);
	}
}

static void add_io(out *o, const family *f, const rt_figures *figures)
{
	for (size_t i = 0; i < figures->n_io; i++) {
		const rt_device_io *d = &figures->io[i];
		if (d->counts != (f->many == COUNTS_OF))
			continue;
		if (f->many == BYTES_OF_ALL) {
			const sp_str more[] = {d->device, sp_arena_printf(o->a, "%u", (unsigned)d->major),
					       sp_arena_printf(o->a, "%u", (unsigned)d->minor), d->operation};
			add(o, f, more, SP_LEN(more), d->value);
		} else if (sp_str_eq(d->operation, sp_str_c(f->operation))) {
			add(o, f, &d->device, 1, d->value);
		}
	}
}

static void add_huge(out *o, const family *f, const rt_figures *figures)
{
	for (size_t i = 0; i < figures->n_huge; i++)
		add(o, f, &figures->huge[i].size, 1, figures->huge[i].at[f->series[0].figure]);
}

sp_code rt_metrics_of(const rt_metric_subject *who, const rt_figures *f, int64_t at, sp_arena *a,
		      sp_cri_metric **ret, size_t *ret_n, sp_err *err)
{
	out o = {.a = a, .when = at, .cap = series_count(f)};
	o.at = sp_try_new(a, sp_cri_metric, o.cap + 1);
	o.base = sp_try_new(a, sp_str, BASE_KEYS);
	if (o.at == NULL || o.base == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for metrics");
	memcpy(o.base, (const sp_str[]){who->pod, who->ns, who->container, who->id, who->image},
	       BASE_KEYS * sizeof *o.base);
	for (size_t i = 0; i < SP_LEN(families) && !o.failed; i++) {
		if (families[i].many == NOT_MANY)
			add_series(&o, &families[i], f);
		else if (families[i].many == OF_HUGE_PAGES)
			add_huge(&o, &families[i], f);
		else
			add_io(&o, &families[i], f);
	}
	if (o.failed)
		return sp_fail(err, SP_ENOMEM, "no memory for metrics");
	*ret = o.at;
	*ret_n = o.n;
	return SP_OK;
}
