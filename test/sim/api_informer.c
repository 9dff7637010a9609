/* SPDX-License-Identifier: Apache-2.0 */
/* A client that lists (in pages or whole, or by a watch that gives the state first) and follows by watches.
 */
#include <stdio.h>

#include "sim/api_world.h"

static void go_on(informer *f);

static void on_go(sp_timer *t)
{
	go_on(t->arg);
}

static void later(informer *f)
{
	sp_timer_stop(f->client->world, &f->pause);
	f->is_stopped = false;
	/* Now and then for longer than the history is kept. */
	uint64_t most = below(f->w, 20) == 0 ? 20 * SECOND : 500 * MS;
	sp_timer_start(f->client->world, &f->timer, 10 * MS + below(f->w, most), on_go);
}

/* What it has is what the truth says of its revision. */
static void compare(informer *f, const char *when)
{
	uint64_t want[N_OBJECTS];
	truth_state(f->w, f->kind, f->selector, f->revision, want);
	for (unsigned i = 0; i < N_OBJECTS; i++) {
		if (f->have[i] != want[i])
			broken(f->w, "%s of %s%s at %llu: k%u is %llu, not %llu", when, kind_plural[f->kind],
			       selector_text(f->selector), (unsigned long long)f->revision, i,
			       (unsigned long long)want[i], (unsigned long long)f->have[i]);
	}
}

/* The object itself is that of its revision. */
static void check_object(informer *f, yyjson_val *object, uint8_t i, uint64_t revision)
{
	truth_read(f->w);
	const change *c = truth_at(f->w, f->kind, i, revision);
	if (c == NULL || c->revision != revision || c->is_delete ||
	    c->op != number_at(object, "metadata", "annotations", "op") ||
	    !sp_str_eq(text_at(object, "metadata", "uid", NULL), sp_str_c(c->uid)))
		broken(f->w, "k%u at %llu is not what was written", i, (unsigned long long)revision);
}

static void relist(informer *f)
{
	f->phase = RELIST;
	f->in_initial = false;
	f->cont[0] = '\0';
	memset(f->have, 0, sizeof f->have);
}

/* ---- lists ---- */

static void on_page(informer *f)
{
	yyjson_val *v = parse(f->w, sp_buf_view(&f->call.body)), *item;
	uint64_t revision = number_at(v, "metadata", "resourceVersion", NULL);
	size_t i, n;
	if (f->cont[0] != '\0' && revision != f->revision)
		broken(f->w, "a page of %llu behind one of %llu", (unsigned long long)revision,
		       (unsigned long long)f->revision);
	f->revision = revision;
	if (revision < f->floor)
		broken(f->w, "a list of %llu, %llu known before", (unsigned long long)revision,
		       (unsigned long long)f->floor);
	yyjson_arr_foreach(sp_json_last(v, SP_STR("items")), i, n, item)
	{
		uint8_t k = object_of(f->w, text_at(item, "metadata", "name", NULL));
		if (f->have[k] != 0)
			broken(f->w, "k%u twice in a list", k);
		f->have[k] = number_at(item, "metadata", "resourceVersion", NULL);
		check_object(f, item, k, f->have[k]);
	}
	(void)snprintf(f->cont, sizeof f->cont, SP_FMT, SP_ARG(text_at(v, "metadata", "continue", NULL)));
	if (f->cont[0] != '\0')
		return;
	compare(f, "a list");
	f->w->newest = SP_MAX(f->w->newest, revision);
	f->n_lists++;
	f->phase = WATCHING;
}

static void list_done(informer *f)
{
	const t_call *c = &f->call;
	bool is_expired = c->code == SP_OK && c->status == 410 && f->cont[0] != '\0';
	if (c->code == SP_OK && c->status == 200) {
		on_page(f);
		if (f->phase == LISTING || f->phase == WATCHING) {
			go_on(f);
			return;
		}
	} else if (c->code == SP_OK && !is_expired) {
		broken(f->w, "a list: status %u: " SP_FMT, c->status, SP_ARG(sp_buf_view(&c->body)));
	}
	relist(f);
	later(f);
}

/* ---- watches ---- */

static void on_bookmark(informer *f, yyjson_val *object, uint64_t revision)
{
	yyjson_val *notes = sp_json_last(sp_json_last(object, SP_STR("metadata")), SP_STR("annotations"));
	bool ends_initial = sp_json_last(notes, SP_STR("k8s.io/initial-events-end")) != NULL;
	if (ends_initial != f->in_initial)
		broken(f->w, "a bookmark out of turn at %llu", (unsigned long long)revision);
	if (ends_initial && revision < f->floor)
		broken(f->w, "a state of %llu, %llu known before", (unsigned long long)revision,
		       (unsigned long long)f->floor);
	if (revision < f->revision)
		broken(f->w, "a bookmark of %llu behind %llu", (unsigned long long)revision,
		       (unsigned long long)f->revision);
	f->in_initial = false;
	f->revision = revision;
	compare(f, "a bookmark");
}

static void on_error(informer *f, yyjson_val *object)
{
	int64_t code = yyjson_get_sint(sp_json_last(object, SP_STR("code")));
	if (code != 410)
		broken(f->w, "an error event: %lld " SP_FMT, (long long)code,
		       SP_ARG(text_at(object, "message", NULL, NULL)));
	f->n_gone++;
	relist(f);
}

static void on_change(informer *f, sp_str type, yyjson_val *object, uint64_t revision)
{
	uint8_t i = object_of(f->w, text_at(object, "metadata", "name", NULL));
	bool was = f->have[i] != 0, deleted = sp_str_eq(type, SP_STR("DELETED"));
	f->n_events++;
	if (was == sp_str_eq(type, SP_STR("ADDED")) || (f->in_initial && was))
		broken(f->w, SP_FMT " of k%u at %llu, had %llu", SP_ARG(type), i,
		       (unsigned long long)revision, (unsigned long long)f->have[i]);
	if (!f->in_initial && revision <= f->revision)
		broken(f->w, "an event of %llu behind %llu", (unsigned long long)revision,
		       (unsigned long long)f->revision);
	f->have[i] = deleted ? 0 : revision;
	if (!deleted)
		check_object(f, object, i, revision);
	if (f->in_initial)
		return;
	f->revision = revision;
	f->w->newest = SP_MAX(f->w->newest, revision);
	compare(f, "an event");
}

static void on_line(informer *f, sp_str line)
{
	yyjson_val *v = parse(f->w, line), *object = sp_json_last(v, SP_STR("object"));
	sp_str type = text_at(v, "type", NULL, NULL);
	uint64_t revision = number_at(object, "metadata", "resourceVersion", NULL);
	if (sp_str_eq(type, SP_STR("ERROR")))
		on_error(f, object);
	else if (sp_str_eq(type, SP_STR("BOOKMARK")))
		on_bookmark(f, object, revision);
	else
		on_change(f, type, object, revision);
}

static void on_resume(sp_timer *t)
{
	informer *f = t->arg;
	f->is_stopped = false;
	if (f->call.ex != NULL)
		sp_http_read(f->call.ex, true);
}

/* Now and then it is slow, or gone. */
static void be_human(informer *f)
{
	world *w = f->w;
	if (f->is_stopped || f->call.ex == NULL || sp_sim_now_ns(w->api.sim) >= w->end_ns)
		return;
	if (below(w, 100) == 0) {
		f->is_stopped = true;
		sp_http_read(f->call.ex, false);
		sp_timer_start(f->client->world, &f->pause, below(w, 5 * SECOND), on_resume);
	} else if (below(w, 200) == 0) {
		sp_http_reset(f->call.ex, SP_HTTP2_CANCEL);
	}
}

static void on_bytes(t_call *c)
{
	informer *f = c->arg;
	if (f->phase == LISTING || c->status != 200)
		return;
	sp_str rest = sp_buf_view(&c->body), line;
	while (f->phase == WATCHING && sp_str_cut(&rest, '\n', &line))
		on_line(f, line);
	sp_buf_consume(&c->body, c->body.len - rest.len);
	be_human(f);
}

static void watch_done(informer *f)
{
	const t_call *c = &f->call;
	if (c->code == SP_OK && c->status != 200)
		broken(f->w, "a watch: status %u: " SP_FMT, c->status, SP_ARG(sp_buf_view(&c->body)));
	if (c->code == SP_OK && c->status == 200 && f->phase == WATCHING && c->body.len > 0)
		broken(f->w, "a watch ended within an event");
	if (f->in_initial || below(f->w, 4) == 0)
		relist(f);
	later(f);
}

/* ---- requests ---- */

static void on_done(t_call *c)
{
	informer *f = c->arg;
	sp_timer_stop(f->client->world, &f->pause);
	f->is_stopped = false;
	if (f->phase == LISTING)
		list_done(f);
	else
		watch_done(f);
}

static void ask(informer *f, const char *path, uint64_t within_ns)
{
	const t_req q = {.method = "GET", .path = path, .within_ns = within_ns};
	if (!t_call_start(f->client, &f->call, &q)) {
		relist(f);
		later(f);
	}
}

static void go_on(informer *f)
{
	char path[1200], more[700] = "";
	world *w = f->w;
	const char *plural = kind_plural[f->kind], *selector = selector_text(f->selector);
	if (f->phase == WATCHING) {
		(void)snprintf(more, sizeof more, "&resourceVersion=%llu", (unsigned long long)f->revision);
	} else if (f->phase == RELIST) {
		f->floor = w->newest;
		f->in_initial = below(w, 4) == 0;
		f->phase = f->in_initial ? WATCHING : LISTING;
		if (f->in_initial) {
			f->revision = 0;
			(void)snprintf(more, sizeof more,
				       "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
		}
	}
	if (f->phase == WATCHING)
		(void)snprintf(path, sizeof path,
			       "/api/v1/namespaces/default/"
			       "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u%s%s",
			       plural, 1 + (unsigned)below(w, 15), more, selector);
	else
		(void)snprintf(path, sizeof path, "/api/v1/namespaces/default/%s?limit=%u&continue=%s%s",
			       plural, f->limit, f->cont, selector);
	ask(f, path, f->phase == WATCHING ? 0 : 20 * SECOND);
}

void informer_start(informer *f)
{
	t_call_init(&f->call);
	f->call.on_bytes = on_bytes;
	f->call.on_done = on_done;
	f->call.arg = f->timer.arg = f->pause.arg = f;
	relist(f);
	sp_timer_start(f->client->world, &f->timer, below(f->w, SECOND), on_go);
}
