/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/fan.h"

typedef struct fan_call {
	fan *fan;
	size_t i;
	sp_call call;
} fan_call;

static void batch_start(fan *f);

static void on_ended(sp_defer *d)
{
	fan *f = d->arg;
	f->n_skipped = f->n - f->next;
	f->done(f);
}

static void fail(fan *f, sp_code code, const sp_err *err)
{
	if (f->code != SP_OK)
		return;
	f->code = code;
	if (err != NULL)
		f->err = *err;
}

static void on_answer(sp_call *c, const sp_answer *a)
{
	fan_call *mine = c->arg;
	fan *f = mine->fan;
	sp_code code = f->each == NULL ? a->code : f->each(f, mine->i, a);
	f->n_running--;
	if (code == SP_OK)
		f->n_made++;
	else
		fail(f, code, a->err);
	if (f->n_running == 0)
		batch_start(f);
}

/* False: the fan ends here. */
static bool call_start(fan *f, fan_call *mine)
{
	sp_ask q = {.verb = SP_ASK_GET};
	sp_err err = {0};
	mine->fan = f;
	mine->i = f->next;
	mine->call = (sp_call){.done = on_answer, .arg = mine};
	sp_code code = f->ask(f, mine->i, &q, &err);
	if (code != SP_OK) {
		fail(f, code, &err);
		return false;
	}
	f->next++;
	f->n_running++;
	sp_call_start(f->client, &mine->call, &q);
	return true;
}

static void batch_start(fan *f)
{
	size_t most = SP_MIN(f->batch, (size_t)FAN_AT_ONCE), n = SP_MIN(f->n - f->next, most);
	if (f->code != SP_OK)
		n = 0;
	f->batch *= 2;
	for (size_t i = 0; i < n; i++) {
		if (!call_start(f, &f->calls[i]))
			break;
	}
	if (f->n_running == 0)
		sp_defer_call(sp_client_world(f->client), &f->ended);
}

void fan_start(fan *f)
{
	size_t n = SP_MIN(f->n, (size_t)FAN_AT_ONCE);
	f->n_made = f->n_skipped = f->next = f->n_running = 0;
	f->code = SP_OK;
	f->batch = f->first == 0 ? FAN_AT_ONCE : f->first;
	sp_defer_init(&f->ended, on_ended, f);
	f->calls = n == 0 ? NULL : sp_try_new(f->arena, fan_call, n);
	if (f->calls == NULL && n > 0) {
		(void)sp_fail(&f->err, SP_ETOOLARGE, "no room for %zu calls", n);
		f->code = SP_ETOOLARGE;
		f->n_running = 0;
	}
	batch_start(f);
}
