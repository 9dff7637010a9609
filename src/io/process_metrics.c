/* SPDX-License-Identifier: Apache-2.0 */
#include "io/process_metrics.h"

#include <unistd.h>

#include "base/num.h"
#include "io/file.h"

#define PROC_BYTES_MAX ((size_t)1 << 20)

/* Of /proc/self/stat behind the name of the program: fields 14, 15, 22 to 24 of proc(5). */
enum { UTIME = 11, STIME = 12, START = 19, VSIZE = 20, RSS = 21, FIELDS };

static bool read_stat(sp_world *w, sp_arena *a, uint64_t ret[FIELDS])
{
	sp_str text, part;
	if (sp_file_read_arena(w, SP_STR("/proc/self/stat"), a, PROC_BYTES_MAX, &text, NULL) != SP_OK)
		return false;
	ptrdiff_t end = sp_str_rindex(text, ')');
	text = sp_str_sub(text, (size_t)(end + 2), text.len);
	for (size_t i = 0; i < FIELDS; i++) {
		if (!sp_str_cut(&text, ' ', &part))
			return false;
		if (sp_parse_u64(part, 0, UINT64_MAX, &ret[i], NULL) != SP_OK)
			ret[i] = 0; /* a letter, or below zero: none that is wanted */
	}
	return true;
}

/* The number behind `name` at the front of a line; blanks may stand between. */
static bool find_number(sp_world *w, sp_arena *a, sp_str file, sp_str name, uint64_t *ret)
{
	sp_str text, line, part;
	if (sp_file_read_arena(w, file, a, PROC_BYTES_MAX, &text, NULL) != SP_OK)
		return false;
	while (sp_str_cut(&text, '\n', &line)) {
		if (!sp_str_take(&line, name))
			continue;
		line = sp_str_trim(line);
		if (!sp_str_cut(&line, ' ', &part))
			part = line;
		return sp_parse_u64(part, 0, UINT64_MAX, ret, NULL) == SP_OK;
	}
	return false;
}

static void put(sp_buf *out, const char *name, const char *type, const char *help, double value)
{
	(void)sp_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name,
			    value);
}

void sp_process_metrics(sp_world *w, sp_arena *a, sp_buf *out)
{
	uint64_t f[FIELDS], boot, max;
	sp_dir_entry *fds;
	size_t n_fds;
	double hz = (double)sysconf(_SC_CLK_TCK), page = (double)sysconf(_SC_PAGESIZE);
	if (read_stat(w, a, f)) {
		put(out, "process_cpu_seconds_total", "counter",
		    "Total user and system CPU time spent in seconds.", (double)(f[UTIME] + f[STIME]) / hz);
		put(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
		    (double)f[RSS] * page);
		put(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
		    (double)f[VSIZE]);
		if (find_number(w, a, SP_STR("/proc/stat"), SP_STR("btime "), &boot))
			put(out, "process_start_time_seconds", "gauge",
			    "Start time of the process since unix epoch in seconds.",
			    (double)boot + (double)f[START] / hz);
	}
	if (sp_dir_list(w, SP_STR("/proc/self/fd"), a, &fds, &n_fds, NULL) == SP_OK)
		put(out, "process_open_fds", "gauge", "Number of open file descriptors.", (double)n_fds);
	if (find_number(w, a, SP_STR("/proc/self/limits"), SP_STR("Max open files"), &max))
		put(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.", (double)max);
}
