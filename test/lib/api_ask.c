/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/api_ask.h"

#include "lib/t.h"

static void asker_done(void *arg)
{
	t_call_done(&((t_asker *)arg)->call);
}

t_asker *t_asker_open(void)
{
	return t_asker_open_on(NULL);
}

t_asker *t_asker_open_on(const sp_store_mem_opts *store)
{
	t_asker *f = sp_new(T_ARENA, t_asker, 1);
	t_call_init(&f->call);
	t_defer(asker_done, f);
	return t_api_open(&f->api, &(sp_sim_opts){.seed = 1}, store) ? f : NULL;
}

bool t_is_like(sp_str text, const char *pattern)
{
	sp_str rest = sp_str_c(pattern), part;
	bool is_first = true, more = true;
	while (more) {
		more = sp_str_cut(&rest, '*', &part);
		if (!more)
			part = rest;
		if (!more && !is_first)
			return sp_str_ends(text, part);
		ptrdiff_t at = sp_str_find(text, part);
		if (at < 0 || (is_first && at != 0))
			return false;
		text = sp_str_sub(text, (size_t)at + part.len, text.len);
		is_first = false;
	}
	return text.len == 0;
}

void t_ask_one(t_asker *f, const t_req *q, uint16_t status, const char *like)
{
	t_row("%s %s", q->method, q->path);
	T_TRUE(t_call_wait(&f->api.maker, &f->call, q));
	sp_str body = sp_buf_view(&f->call.body);
	if (f->call.status != status)
		T_FAIL("\n  got  %u '" SP_FMT "'\n  want %u", f->call.status, SP_ARG(body), status);
	if (like != NULL && !t_is_like(body, like))
		T_FAIL("\n  got  '" SP_FMT "'\n  want '%s'", SP_ARG(body), like);
}

void t_ask_all(t_asker *f, const t_ask_row *rows, size_t n)
{
	for (size_t i = 0; i < n && f != NULL && !t_failed(); i++)
		t_ask_one(f, &rows[i].q, rows[i].status, rows[i].like);
}

void t_ask_rows(const t_ask_row *rows, size_t n)
{
	t_ask_all(t_asker_open(), rows, n);
}
