/* SPDX-License-Identifier: Apache-2.0 */
#include "node/machine.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "base/num.h"

#define FILE_BYTES_MAX ((size_t)64 << 10)

static sp_str file_text(sp_world *w, sp_arena *a, const char *path)
{
	sp_str text;
	if (sp_file_read_arena(w, sp_str_c(path), a, FILE_BYTES_MAX, &text, NULL) != SP_OK)
		return (sp_str){NULL, 0};
	return sp_str_trim(text);
}

/* "MemTotal:       16384 kB" */
static int64_t memory_of(sp_str text)
{
	sp_str line, rest = text, number;
	while (sp_str_cut(&rest, '\n', &line)) {
		uint64_t kb;
		if (!sp_str_take(&line, SP_STR("MemTotal:")))
			continue;
		line = sp_str_trim(line);
		if (sp_str_cut(&line, ' ', &number) &&
		    sp_parse_u64(number, 0, INT64_MAX / 1024, &kb, NULL) == SP_OK)
			return (int64_t)kb * 1024;
	}
	return 0;
}

static sp_str os_image_of(sp_str text)
{
	sp_str line, rest = text;
	while (rest.len > 0) {
		if (!sp_str_cut(&rest, '\n', &line)) {
			line = rest;
			rest.len = 0;
		}
		if (!sp_str_take(&line, SP_STR("PRETTY_NAME=")))
			continue;
		if (line.len >= 2 && line.ptr[0] == '"')
			line = sp_str_sub(line, 1, line.len - 1);
		return line;
	}
	return SP_STR("Linux");
}

void node_machine_read(sp_world *w, sp_str root, sp_arena *a, node_machine *ret)
{
	struct utsname names;
	struct statvfs fs;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	sp_str path = sp_arena_try_dup(a, root);
	*ret = (node_machine){.cpu_milli = cpus > 0 ? cpus * 1000 : 1000,
			      .memory_bytes = memory_of(file_text(w, a, "/proc/meminfo")),
			      .machine_id = file_text(w, a, "/etc/machine-id"),
			      .system_uuid = file_text(w, a, "/sys/class/dmi/id/product_uuid"),
			      .boot_id = file_text(w, a, "/proc/sys/kernel/random/boot_id"),
			      .os_image = os_image_of(file_text(w, a, "/etc/os-release"))};
	if (ret->system_uuid.len == 0)
		ret->system_uuid = ret->machine_id;
	if (uname(&names) == 0)
		ret->kernel = sp_arena_try_dup(a, sp_str_c(names.release));
#if defined(__x86_64__)
	ret->architecture = SP_STR("amd64");
#elif defined(__aarch64__)
	ret->architecture = SP_STR("arm64");
#else
	ret->architecture = SP_STR("unknown");
#endif
	if (path.ptr != NULL && statvfs(path.ptr, &fs) == 0)
		ret->disk_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
}
