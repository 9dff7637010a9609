/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "controllers/controller.h"

struct controllers {
	sp_client *client;
	sp_log *log;
	sp_informers *informers;
	controller **all;
	size_t n, n_open;   /* n_open: queues that are not closed yet */
	bool synced, known; /* caches are filled; accounts have their tokens */
	bool started, closing;
	void (*on_closed)(void *arg);
	void *closed_arg;
	sp_defer closed;
};

/* ---- one ---- */

static void on_work(void *arg, sp_job *job)
{
	controller *c = arg;
	c->type->sync(c, job);
}

static uint32_t workers_of(const controllers_config *config, const controller_type *t)
{
	for (size_t i = 0; i < config->n_workers_of; i++) {
		if (config->workers_of[i].n != 0 && strcmp(config->workers_of[i].controller, t->name) == 0)
			return config->workers_of[i].n;
	}
	return config->n_workers != 0 ? config->n_workers : t->n_workers;
}

static sp_code open_one(controllers *s, const controllers_opts *o, const controller_type *t, sp_err *err)
{
	controller *c = sp_alloc(t->size_bytes);
	const sp_queue_opts queue = {.name = t->name,
				     .work = on_work,
				     .arg = c,
				     .metrics = o->metrics,
				     .n_workers = workers_of(o->config, t)};
	const char *component = t->component != NULL ? t->component : t->name;
	const char *account = t->account != NULL ? t->account : t->name;
	*c = (controller){.type = t,
			  .config = o->config,
			  .world = sp_client_world(o->client),
			  .log = o->log,
			  .client = o->client,
			  .informers = s->informers};
	c->queue = sp_queue_new(c->world, &queue);
	sp_queue_pause(c->queue, true);
	s->all[s->n++] = c;
	s->n_open++;
	if (o->accounts != NULL && !t->acts_by_client)
		SP_TRY(sp_accounts_client(o->accounts, sp_str_c(account), &c->client, err));
	SP_TRY(sp_events_new(
		&(sp_events_opts){.client = c->client, .log = o->log, .component = sp_str_c(component)},
		&c->events, err));
	return t->open(c, err);
}

static void free_one(controller *c)
{
	if (c->type->done != NULL)
		c->type->done(c);
	sp_events_free(c->events);
	sp_queue_free(c->queue);
	sp_free(c);
}

/* ---- all ---- */

static void begin(controllers *s)
{
	if (s->closing || !s->synced || !s->known)
		return;
	s->started = true;
	sp_log(s->log, SP_LOG_INFO, "controllers at work", SP_KU("controllers", s->n));
	for (size_t i = 0; i < s->n; i++) {
		controller *c = s->all[i];
		sp_queue_pause(c->queue, false);
		if (c->type->start != NULL)
			c->type->start(c);
	}
}

static void on_synced(void *arg)
{
	controllers *s = arg;
	s->synced = true;
	begin(s);
}

static void on_known(void *arg)
{
	controllers *s = arg;
	s->known = true;
	begin(s);
}

static void on_all_closed(sp_defer *d)
{
	controllers *s = d->arg;
	SP_TAKE(s->on_closed)(s->closed_arg);
}

static sp_code open_all(controllers *s, const controllers_opts *o, sp_err *err)
{
	for (size_t i = 0; i < n_controller_types; i++) {
		const controller_type *t = controller_types[i];
		if (!controllers_is_enabled(o->list, t))
			continue;
		sp_code code = open_one(s, o, t, err);
		if (code == SP_EUNSUPPORTED) {
			sp_log(s->log, SP_LOG_INFO, "controller left out", SP_KC("controller", t->name),
			       SP_KE(err));
			free_one(s->all[--s->n]);
			s->n_open--;
		} else if (code != SP_OK) {
			return sp_wrap(err, "%s", t->name);
		}
	}
	return SP_OK;
}

sp_code controllers_new(const controllers_opts *o, controllers **ret, sp_err *err)
{
	SP_TRY(controllers_check_list(o->list, err));
	controllers *s = SP_NEW(controllers);
	sp_err own = {0};
	s->client = o->client;
	s->log = o->log;
	s->all = sp_alloc((n_controller_types + 1) * sizeof(void *));
	sp_defer_init(&s->closed, on_all_closed, s);
	sp_code code = sp_informers_new(o->client, o->log, &s->informers, &own);
	if (code == SP_OK)
		code = open_all(s, o, &own);
	if (code != SP_OK) {
		controllers_free(s);
		if (err != NULL)
			*err = own;
		return code;
	}
	s->known = o->accounts == NULL;
	if (o->accounts != NULL)
		sp_accounts_start(o->accounts, on_known, s);
	sp_informers_on_synced(s->informers, on_synced, s);
	sp_informers_start(s->informers);
	*ret = s;
	return SP_OK;
}

bool controllers_are_started(const controllers *s)
{
	return s->started;
}

void controllers_measure(const controllers *s)
{
	for (size_t i = 0; i < s->n; i++)
		sp_queue_measure(s->all[i]->queue);
}

static void on_queue_closed(void *arg)
{
	controllers *s = arg;
	if (--s->n_open == 0)
		sp_defer_call(sp_client_world(s->client), &s->closed);
}

void controllers_close(controllers *s, void (*done)(void *arg), void *arg)
{
	SP_ASSERT(!s->closing);
	s->closing = true;
	s->on_closed = done;
	s->closed_arg = arg;
	sp_informers_on_synced(s->informers, NULL, NULL);
	for (size_t i = 0; i < s->n; i++)
		sp_queue_close(s->all[i]->queue, on_queue_closed, s);
	if (s->n == 0)
		sp_defer_call(sp_client_world(s->client), &s->closed);
}

void controllers_free(controllers *s)
{
	if (s == NULL)
		return;
	sp_defer_cancel(&s->closed);
	sp_informers_free(s->informers); /* before those who are told */
	for (size_t i = s->n; i > 0; i--)
		free_one(s->all[i - 1]);
	sp_free(s->all);
	sp_free(s);
}

/* ---- for controllers ---- */

sp_code controller_follow(controller *c, sp_gvr gvr, const sp_view_desc *view, sp_informer **ret, sp_err *err)
{
	SP_TRY(sp_informers_get(c->informers, &(sp_informer_opts){.gvr = gvr}, ret, err));
	if (view == NULL) {
		sp_informer_keep_all(*ret);
		return SP_OK;
	}
	sp_code code = sp_informer_keep(*ret, view);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no memory for an informer");
}

void controller_watch(sp_informer *i, sp_informer_watch *w,
		      void (*on_change)(void *arg, const sp_object *old, const sp_object *now), void *arg)
{
	*w = (sp_informer_watch){.on_change = on_change, .arg = arg};
	sp_informer_watch_add(i, w);
}

void controller_enqueue(void *arg, const sp_object *old, const sp_object *now)
{
	controller *c = arg;
	sp_queue_add(c->queue, now != NULL ? now->key : old->key);
}
