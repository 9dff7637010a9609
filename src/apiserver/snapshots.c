/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/snapshots.h"

#include "apiserver/server_int.h"
#include "base/alloc.h"
#include "base/json_out.h"

struct api_snapshots {
	api_server *server;
	api_snapshot_opts opts;
	sp_work work;
	bool busy, closed;
	char name[API_SNAPSHOT_NAME_MAX];
	size_t name_len;
	/* of the worker */
	sp_code code;
	sp_err err;
	api_request *waiting; /* NULL: its client has gone; the copy is finished all the same */
	void (*done)(void *arg);
	void *done_arg;
};

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool api_snapshot_name_ok(sp_str name)
{
	if (name.len == 0 || name.len > API_SNAPSHOT_NAME_MAX || !is_alnum(name.ptr[0]))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		if (!is_alnum(c) && c != '.' && c != '-' && c != '_')
			return false;
	}
	return true;
}

static void refuse(api_request *r, uint16_t code, sp_str why)
{
	api_reply(r, code, SP_STR("text/plain; charset=utf-8"), SP_CONCAT(r->arena, why, SP_STR("\n")));
}

static void answer(api_snapshots *s, api_request *r)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 1024);
	if (s->code == SP_EEXISTS) {
		refuse(r, 409, SP_STR("there is a snapshot of that name"));
		return;
	}
	if (s->code != SP_OK) {
		refuse(r, 500, sp_str_c(s->err.msg));
		return;
	}
	sp_jout j = sp_jout_to(&text);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("name"), (sp_str){s->name, s->name_len});
	sp_jout_close(&j, '}');
	api_reply(r, 201, SP_STR("application/json"), sp_buf_view(&text));
}

/* ---- on a worker ---- */

static void copy(sp_work *job)
{
	api_snapshots *s = job->arg;
	s->code = s->opts.save(s->opts.arg, (sp_str){s->name, s->name_len}, &s->err);
}

/* ---- on the loop ---- */

static void on_copied(sp_work *job)
{
	api_snapshots *s = job->arg;
	api_request *r = s->waiting;
	s->busy = false;
	s->waiting = NULL;
	if (s->code != SP_OK)
		sp_log(s->server->log, SP_LOG_ERROR, "no snapshot", SP_KE(&s->err));
	if (r != NULL)
		answer(s, r);
	if (s->closed)
		s->done(s->done_arg);
}

static void on_gone(api_request *r)
{
	((api_snapshots *)r->state)->waiting = NULL;
}

void api_snapshot(api_request *r)
{
	api_snapshots *s = r->server->snapshots;
	sp_str name = sp_url_query_get(&r->query, SP_STR("name"));
	if (s->opts.save == NULL) {
		refuse(r, 404, SP_STR("this server's store makes no snapshots"));
	} else if (r->ex->method_id != SP_HTTP_POST) {
		refuse(r, 405, SP_STR("a snapshot is made by POST"));
	} else if (!api_snapshot_name_ok(name)) {
		refuse(r, 400,
		       SP_STR("name: letters, digits, '.', '-' and '_', at most 128, a letter or digit "
			      "first"));
	} else if (s->busy || s->closed) {
		refuse(r, 409, SP_STR("a snapshot is being made"));
	} else {
		memcpy(s->name, name.ptr, name.len);
		s->name_len = name.len;
		s->err = (sp_err){0};
		s->work = (sp_work){.fn = copy, .done = on_copied, .arg = s};
		if (sp_work_start(r->server->world, &s->work, &s->err) != SP_OK) {
			api_reply_error(r, s->err.code, &s->err);
			return;
		}
		s->busy = true;
		s->waiting = r;
		r->state = s;
		r->on_gone = on_gone;
	}
}

/* ---- life ---- */

api_snapshots *api_snapshots_new(api_server *server, const api_snapshot_opts *opts)
{
	api_snapshots *s = SP_NEW(api_snapshots);
	s->server = server;
	s->opts = *opts;
	return s;
}

void api_snapshots_close(api_snapshots *s, void (*done)(void *arg), void *arg)
{
	s->closed = true;
	s->done = done;
	s->done_arg = arg;
	if (!s->busy)
		done(arg);
}

void api_snapshots_free(api_snapshots *s)
{
	sp_free(s);
}
