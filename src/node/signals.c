/* SPDX-License-Identifier: Apache-2.0 */
#include "node/signals.h"

#include "base/num.h"

#define FILE_BYTES_MAX ((size_t)256 << 10)
#define CGROUPS "/sys/fs/cgroup"

static sp_str text_of(sp_world *w, sp_arena *a, const char *path)
{
	sp_str text;
	if (sp_file_read_arena(w, sp_str_c(path), a, FILE_BYTES_MAX, &text, NULL) != SP_OK)
		return (sp_str){NULL, 0};
	return sp_str_trim(text);
}

/* -1: no number ("max"). Larger ones than int64: as if there were none. */
static int64_t number_of(sp_str text)
{
	uint64_t n;
	return sp_parse_u64(sp_str_trim(text), 0, INT64_MAX, &n, NULL) == SP_OK ? (int64_t)n : -1;
}

/* The value of a line "name 123" or "name: 123 kB"; -1: there is none. */
static int64_t line_of(sp_str text, sp_str name)
{
	sp_str line, word;
	while (text.len > 0) {
		if (!sp_str_cut(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		}
		if (!sp_str_take(&line, name) || line.len == 0 || (line.ptr[0] != ' ' && line.ptr[0] != ':'))
			continue;
		line = sp_str_trim(sp_str_sub(line, 1, line.len));
		return number_of(sp_str_cut(&line, ' ', &word) ? word : line);
	}
	return -1;
}

/* ---- memory ---- */

void node_signal_memory(int64_t capacity, int64_t limit, int64_t used, sp_str memory_stat, bool is_v1,
			node_observation *ret)
{
	int64_t idle = line_of(memory_stat, is_v1 ? SP_STR("total_inactive_file") : SP_STR("inactive_file"));
	if (used < 0 || idle < 0 || capacity <= 0)
		return;
	int64_t working = used > idle ? used - idle : 0;
	int64_t total = limit > 0 && limit < capacity ? limit : capacity;
	*ret = (node_observation){
		.is_known = true, .available = SP_MAX(total - working, 0), .capacity = total};
}

/* The root of the machine's cgroups has no memory.current with v2: all that is not free is used. */
static int64_t used_of_machine(sp_str meminfo)
{
	int64_t total = line_of(meminfo, SP_STR("MemTotal")), left = line_of(meminfo, SP_STR("MemFree"));
	return total < 0 || left < 0 || left > total || total > INT64_MAX / 1024 ? -1 : (total - left) * 1024;
}

static void read_memory(sp_world *w, int64_t capacity, sp_arena *a, node_observation *ret)
{
	sp_str v2 = text_of(w, a, CGROUPS "/memory.stat");
	if (v2.len == 0) {
		node_signal_memory(capacity,
				   number_of(text_of(w, a, CGROUPS "/memory/memory.limit_in_bytes")),
				   number_of(text_of(w, a, CGROUPS "/memory/memory.usage_in_bytes")),
				   text_of(w, a, CGROUPS "/memory/memory.stat"), true, ret);
		return;
	}
	int64_t used = number_of(text_of(w, a, CGROUPS "/memory.current"));
	if (used < 0)
		used = used_of_machine(text_of(w, a, "/proc/meminfo"));
	node_signal_memory(capacity, number_of(text_of(w, a, CGROUPS "/memory.max")), used, v2, false, ret);
}

/* ---- processes ---- */

/* "0.20 0.18 0.12 1/80 11206": the fourth word tells how many there are. */
void node_signal_pids(sp_str loadavg, sp_str pid_max, sp_str threads_max, node_observation *ret)
{
	int64_t most = number_of(pid_max), threads = number_of(threads_max), now;
	sp_str word = {NULL, 0};
	for (unsigned i = 0; i < 4; i++) {
		if (!sp_str_cut(&loadavg, ' ', &word))
			return;
	}
	sp_str running;
	if (!sp_str_cut(&word, '/', &running) || (now = number_of(word)) < 0)
		return;
	if (most < 0 || (threads >= 0 && threads < most))
		most = threads;
	if (most >= 0)
		*ret = (node_observation){.is_known = true, .available = most - now, .capacity = most};
}

/* ---- disks ---- */

static int64_t held(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static void of_disk(const node_disk *d, node_observation *bytes, node_observation *inodes)
{
	*bytes = (node_observation){
		.is_known = true, .available = held(d->available), .capacity = held(d->capacity)};
	if (d->inodes != 0)
		*inodes = (node_observation){
			.is_known = true, .available = held(d->inodes_free), .capacity = held(d->inodes)};
}

void node_signals_read(sp_world *w, const node_signals_input *in, sp_arena *a, node_observations *ret)
{
	node_disk root, images;
	*ret = (node_observations){0};
	read_memory(w, in->memory_bytes, a, &ret->of[NODE_SIGNAL_MEMORY]);
	node_signal_pids(text_of(w, a, "/proc/loadavg"), text_of(w, a, "/proc/sys/kernel/pid_max"),
			 text_of(w, a, "/proc/sys/kernel/threads-max"), &ret->of[NODE_SIGNAL_PIDS]);
	bool has_root = in->disk(in->root, &root, NULL) == SP_OK;
	if (has_root)
		of_disk(&root, &ret->of[NODE_SIGNAL_NODEFS], &ret->of[NODE_SIGNAL_NODEFS_INODES]);
	if (in->image_mount.len == 0 || in->disk(in->image_mount, &images, NULL) != SP_OK)
		return;
	of_disk(&images, &ret->of[NODE_SIGNAL_IMAGEFS], &ret->of[NODE_SIGNAL_IMAGEFS_INODES]);
	ret->dedicated_imagefs = has_root && root.device != images.device;
}
