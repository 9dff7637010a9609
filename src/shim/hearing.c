/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/hearing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/num.h"
#include "shim/files.h"
#include "shim/loop.h"

#define FILE_BYTES ((size_t)16 << 10)
#define PROGRAM_NS (5 * SHIM_S) /* to become the container's program */
#define LISTENS_NS SHIM_S       /* of that, to have its handlers */
/* Of /proc/PID/stat, counted from 0; the kernel's name of the flag. */
#define FIELD_FLAGS 8u
#define FIELD_START_CODE 25u
#define PF_FORKNOEXEC UINT64_C(0x40)

static bool read_proc(const char *proc, uint32_t pid, const char *name, sp_buf *out)
{
	char path[512];
	int n = snprintf(path, sizeof path, "%s/%u/%s", proc, (unsigned)pid, name);
	return n > 0 && (size_t)n < sizeof path && shim_read_file(AT_FDCWD, path, out, NULL) == SP_OK;
}

/*
 * Both runc and crun fork the container's first process and let it become the program in one step. Its mark
 * is gone a little before its handlers are, its new code is there after them.
 */
static bool is_program(const char *proc, uint32_t pid)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, FILE_BYTES);
	if (!read_proc(proc, pid, "stat", &text))
		return true;
	sp_str all = sp_buf_view(&text), word;
	/* "PID (NAME) STATE ...", and the name may be anything */
	ptrdiff_t name_end = sp_str_rindex(all, ')');
	uint64_t flags = 0, start_code = 0;
	if (name_end < 0)
		return true;
	sp_str rest = sp_str_trim(sp_str_sub(all, (size_t)name_end + 1, all.len));
	for (size_t i = 2; sp_str_next(&rest, ' ', &word); i++) {
		uint64_t *to = i == FIELD_FLAGS ? &flags : i == FIELD_START_CODE ? &start_code : NULL;
		if (to != NULL && sp_parse_u64(word, 0, UINT64_MAX, to, NULL) != SP_OK)
			return true;
	}
	return (flags & PF_FORKNOEXEC) == 0 && start_code != 0;
}

/* Bit by signal in a line "SigCgt:\t0000000000004000" of /proc/PID/status. */
static bool has_signal(sp_str status, const char *key, uint32_t signal)
{
	sp_str line, word;
	while (sp_str_cut(&status, '\n', &line)) {
		if (!sp_str_cut(&line, ':', &word) || !sp_str_eq(word, sp_str_c(key)))
			continue;
		line = sp_str_trim(line);
		size_t digit = (signal - 1) / 4;
		if (digit >= line.len)
			return false;
		char c = line.ptr[line.len - 1 - digit];
		unsigned bits = c >= 'a' ? (unsigned)(c - 'a') + 10 : (unsigned)(c - '0');
		return (bits >> ((signal - 1) % 4) & 1) != 0;
	}
	return false;
}

static bool hears(const char *proc, uint32_t pid, uint32_t signal)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, FILE_BYTES);
	if (!read_proc(proc, pid, "status", &text))
		return true;
	sp_str status = sp_buf_view(&text);
	return has_signal(status, "SigCgt", signal) || has_signal(status, "SigBlk", signal) ||
	       has_signal(status, "SigIgn", signal);
}

bool shim_signal_is_early(shim_hearing *h, const char *proc, uint32_t pid, uint32_t signal, uint64_t now_ns)
{
	uint64_t age_ns = h->started_ns == 0 ? 0 : now_ns - h->started_ns;
	if (signal == 0 || signal == SIGKILL || signal == SIGSTOP || age_ns >= PROGRAM_NS + LISTENS_NS)
		return false;
	if (!is_program(proc, pid)) {
		h->runtime_ns = now_ns;
		return age_ns < PROGRAM_NS;
	}
	uint64_t since_ns = SP_MAX(h->started_ns, h->runtime_ns);
	return (h->started_ns == 0 || now_ns - since_ns < LISTENS_NS) && !hears(proc, pid, signal);
}
