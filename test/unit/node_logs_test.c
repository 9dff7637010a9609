/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of container logs, whole and in pieces. */
#include "lib/t.h"
#include "node/log_lines.h"

static const char *const file = "2026-01-01T00:00:01.5Z stdout F one\n"
				"2026-01-01T00:00:02Z stderr F bad\n"
				"no line of a log\n"
				"2026-01-01T00:00:03Z stdout P par\n"
				"2026-01-01T00:00:03Z stdout F:x tial\n"
				"2026-01-01T00:00:04Z stdout F \n"
				"2026-01-01T00:00:05Z stdout F last\n";

typedef struct row {
	node_log_filter filter;
	const char *want;
} row;

#define ALL .limit_bytes = -1

static const row rows[] = {
	{{ALL}, "one\nbad\npartial\n\nlast\n"},
	{{ALL, .stream = SP_STR_INIT("stderr")}, "bad\n"},
	{{ALL, .stream = SP_STR_INIT("stdout"), .timestamps = true},
	 "2026-01-01T00:00:01.5Z one\n2026-01-01T00:00:03Z partial\n2026-01-01T00:00:04Z "
	 "\n2026-01-01T00:00:05Z last\n"},
	{{ALL, .has_since = true, .since_ns = INT64_C(1767225604) * 1000000000}, "\nlast\n"},
	{{.limit_bytes = 6}, "one\nba"},
	{{.limit_bytes = 0}, ""},
};

SP_TEST(node_logs, filters)
{
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		for (size_t piece = 1; piece < 60; piece += 7) {
			SP_AUTO_BUF out;
			SP_CLEANUP(node_log_lines_done) node_log_lines l;
			sp_str rest = sp_str_c(file);
			sp_buf_init(&out, 4096);
			node_log_lines_init(&l, &rows[i].filter);
			t_row("%zu in pieces of %zu", i, piece);
			for (size_t at = 0; at < rest.len; at += piece)
				T_OK(node_log_lines_add(&l, sp_str_sub(rest, at, at + piece), &out));
			T_EQ_C(sp_buf_view(&out), rows[i].want);
		}
	}
}
