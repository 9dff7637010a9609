/* SPDX-License-Identifier: Apache-2.0 */
#include "node/log_lines.h"

void node_log_lines_init(node_log_lines *l, const node_log_filter *f)
{
	*l = (node_log_lines){.filter = *f, .done = f->limit_bytes == 0};
	sp_buf_init(&l->rest, NODE_LOG_LINE_BYTES_MAX);
}

void node_log_lines_done(node_log_lines *l)
{
	sp_buf_done(&l->rest);
}

static void put(node_log_lines *l, sp_buf *out, sp_str s)
{
	const node_log_filter *f = &l->filter;
	if (f->limit_bytes >= 0 && (int64_t)s.len >= f->limit_bytes - l->n_out) {
		s = sp_str_sub(s, 0, (size_t)(f->limit_bytes - l->n_out));
		l->done = true;
	}
	l->n_out += (int64_t)s.len;
	(void)sp_buf_str(out, s);
}

static void take(node_log_lines *l, sp_str line, sp_buf *out)
{
	const node_log_filter *f = &l->filter;
	sp_str time, stream, tag;
	sp_time at;
	if (!sp_str_cut(&line, ' ', &time) || !sp_str_cut(&line, ' ', &stream) ||
	    !sp_str_cut(&line, ' ', &tag))
		return;
	if (sp_time_parse(time, &at, NULL) != SP_OK)
		return;
	if (f->has_since && sp_time_ns(at) < f->since_ns)
		return;
	if (f->stream.len != 0 && !sp_str_eq(f->stream, stream))
		return;
	if (f->timestamps && !l->in_line) {
		put(l, out, time);
		if (!l->done)
			put(l, out, SP_STR(" "));
	}
	if (!l->done)
		put(l, out, line);
	/* Of the tags, which ':' parts, only the first means something today. */
	l->in_line = sp_str_starts(tag, SP_STR("P"));
	if (!l->in_line && !l->done)
		put(l, out, SP_STR("\n"));
}

sp_code node_log_lines_add(node_log_lines *l, sp_str bytes, sp_buf *out)
{
	sp_str line;
	while (!l->done && sp_str_cut(&bytes, '\n', &line)) {
		if (l->rest.len > 0) {
			(void)sp_buf_str(&l->rest, line);
			take(l, sp_buf_view(&l->rest), out);
			sp_buf_clear(&l->rest);
		} else {
			take(l, line, out);
		}
	}
	if (!l->done && bytes.len > 0)
		(void)sp_buf_str(&l->rest, bytes);
	return sp_buf_code(out);
}
