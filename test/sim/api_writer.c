/* SPDX-License-Identifier: Apache-2.0 */
/* A client that creates, increments by read-modify-write, patches and deletes, and sometimes vanishes. */
#include <stdio.h>

#include "sim/api_world.h"

#define CALL_NS (10 * SECOND)
#define BODY_BYTES_MAX ((size_t)64 << 10)

static void ask(writer *v, const char *method, const char *type, sp_str body);

static void next(writer *v);

static void on_next(sp_timer *t)
{
	next(t->arg);
}

static void over(writer *v, op_end end)
{
	world *w = v->w;
	sp_timer_stop(v->client->world, &v->vanish);
	v->op->end = end;
	v->op = NULL;
	sp_timer_start(v->client->world, &v->timer, below(w, 300 * MS), on_next);
}

static void on_vanish(sp_timer *t)
{
	writer *v = t->arg;
	if (v->call.ex != NULL)
		sp_http_reset(v->call.ex, SP_HTTP2_CANCEL);
}

/* ---- answers ---- */

static bool is_expected(const writer *v)
{
	switch (v->call.status) {
	case 404:
		return v->op->type != OP_CREATE;
	case 409:
		return v->op->type == OP_CREATE || v->op->type == OP_INCREMENT;
	default:
		return false;
	}
}

/* What was read, with the counter one further. */
static void put_back(writer *v)
{
	world *w = v->w;
	yyjson_val *read = parse(w, sp_buf_view(&v->call.body));
	yyjson_mut_doc *doc = sp_json_doc(&w->scratch);
	yyjson_mut_val *obj = NULL;
	char n[24], number[24];
	if (read == NULL || doc == NULL || sp_json_thaw(&w->scratch, read, &obj, NULL) != SP_OK) {
		over(v, OP_REFUSED);
		return;
	}
	v->has_base = true;
	v->op->base = number_at(read, "metadata", "resourceVersion", NULL);
	(void)snprintf(n, sizeof n, "%llu",
		       (unsigned long long)number_at(read, "metadata", "annotations", "n") + 1);
	(void)snprintf(number, sizeof number, "%u", (unsigned)(v->op - w->ops) + 1);
	yyjson_mut_val *notes = sp_jmut_path(obj, "metadata", "annotations", NULL);
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	bool ok = sp_jmut_set_str(doc, notes, SP_STR("n"), sp_str_c(n)) &&
		  sp_jmut_set_str(doc, notes, SP_STR("op"), sp_str_c(number)) &&
		  sp_json_write_mut(&out, obj) == SP_OK;
	if (ok)
		ask(v, "PUT", NULL, sp_buf_view(&out));
	else
		over(v, OP_REFUSED);
}

static void on_success(writer *v)
{
	world *w = v->w;
	yyjson_val *answer = parse(w, sp_buf_view(&v->call.body));
	op *o = v->op;
	uint64_t revision = number_at(answer, "metadata", "resourceVersion", NULL);
	if (o->type == OP_DELETE) {
		sp_str uid = text_at(answer, "details", "uid", NULL);
		if (uid.len == 0)
			uid = text_at(answer, "metadata", "uid", NULL);
		(void)snprintf(o->uid, sizeof o->uid, SP_FMT, SP_ARG(uid));
	} else {
		o->revision = revision;
		if (revision <= o->floor)
			broken(w, "revision %llu answered, %llu known before", (unsigned long long)revision,
			       (unsigned long long)o->floor);
	}
	w->newest = SP_MAX(w->newest, revision);
	over(v, OP_DONE);
}

static void on_done(t_call *c)
{
	writer *v = c->arg;
	op *o = v->op;
	bool reads = o->type == OP_INCREMENT && !v->has_base;
	if (c->code != SP_OK)
		over(v, reads ? OP_REFUSED : OP_UNKNOWN);
	else if (reads && c->status == 200)
		put_back(v);
	else if (c->status == 200 || c->status == 201)
		on_success(v);
	else {
		if (!is_expected(v))
			broken(v->w, "%s: type %d: status %u: " SP_FMT, v->path, (int)o->type, c->status,
			       SP_ARG(sp_buf_view(&c->body)));
		over(v, OP_REFUSED);
	}
}

/* ---- requests ---- */

static void ask(writer *v, const char *method, const char *type, sp_str body)
{
	const t_req q = {.method = method, .path = v->path, .type = type, .body = body, .within_ns = CALL_NS};
	if (!t_call_start(v->client, &v->call, &q))
		over(v, OP_REFUSED);
}

static void create(writer *v, unsigned number)
{
	static const char payload[1500] = {[0 ... 1498] = 'x'};
	world *w = v->w;
	char body[2500];
	const char *tier = tiers[below(w, 3)];
	int n = snprintf(
		body, sizeof body,
		"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"tier\":\"%s\"},\"annotations\":{\"n\":\"0\","
		"\"op\":\"%u\"}},",
		v->name, tier, number);
	char *end = body + n;
	size_t room = sizeof body - (size_t)n;
	if (v->op->kind == POD)
		(void)snprintf(end, room,
			       "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}],"
			       "\"terminationGracePeriodSeconds\":0}}");
	else
		(void)snprintf(end, room, "\"data\":{\"x\":\"%.*s\"}}", (int)below(w, sizeof payload),
			       payload);
	ask(v, "POST", NULL, sp_str_c(body));
}

static void patch(writer *v, unsigned number)
{
	char body[128];
	(void)snprintf(body, sizeof body,
		       "{\"metadata\":{\"labels\":{\"tier\":\"%s\"},\"annotations\":{\"op\":\"%u\"}}}",
		       tiers[below(v->w, 3)], number);
	ask(v, "PATCH", "application/merge-patch+json", sp_str_c(body));
}

static void next(writer *v)
{
	static const op_type types[] = {OP_CREATE,    OP_CREATE, OP_INCREMENT, OP_INCREMENT,
					OP_INCREMENT, OP_PATCH,  OP_PATCH,     OP_DELETE};
	world *w = v->w;
	if (sp_sim_now_ns(w->api.sim) >= w->end_ns || w->n_ops == OPS_MAX)
		return;
	op *o = v->op = &w->ops[w->n_ops++];
	*o = (op){.type = types[below(w, SP_LEN(types))],
		  .kind = (kind)below(w, KIND_COUNT_),
		  .object = (uint8_t)below(w, N_OBJECTS),
		  .floor = w->newest};
	unsigned number = (unsigned)w->n_ops;
	bool is_create = o->type == OP_CREATE;
	v->has_base = false;
	(void)snprintf(v->name, sizeof v->name, "k%u", o->object);
	(void)snprintf(v->path, sizeof v->path, "/api/v1/namespaces/default/%s%s%s", kind_plural[o->kind],
		       is_create ? "" : "/", is_create ? "" : v->name);
	if (below(w, 12) == 0)
		sp_timer_start(v->client->world, &v->vanish, below(w, 20 * MS), on_vanish);
	if (is_create)
		create(v, number);
	else if (o->type == OP_PATCH)
		patch(v, number);
	else
		ask(v, o->type == OP_DELETE ? "DELETE" : "GET", NULL, (sp_str){NULL, 0});
}

void writer_start(writer *v)
{
	t_call_init(&v->call);
	v->call.on_done = on_done;
	v->call.arg = v->timer.arg = v->vanish.arg = v;
	sp_timer_start(v->client->world, &v->timer, below(v->w, SECOND), on_next);
}
