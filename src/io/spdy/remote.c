/* SPDX-License-Identifier: Apache-2.0 */
#include "io/spdy/remote.h"

#define TIMEOUT_NS (UINT64_C(30) * 1000000000)

static void on_timeout(sp_timer *t)
{
	sp_remote_collect *c = t->arg;
	c->on_timeout(c);
}

static bool wants_resize(const sp_remote_collect *c)
{
	return c->tty && c->protocol->resize;
}

void sp_remote_collect_start(sp_remote_collect *c, uint64_t timeout_ns)
{
	c->n_wanted = 1u + c->want_in + c->want_out + c->want_err + wants_resize(c);
	c->timer.arg = c;
	sp_timer_start(c->world, &c->timer, timeout_ns == 0 ? TIMEOUT_NS : timeout_ns, on_timeout);
}

void sp_remote_collect_stop(sp_remote_collect *c)
{
	sp_timer_stop(c->world, &c->timer);
}

/* Where a stream of that type goes; NULL: unknown or not wanted. */
static sp_stream **slot_of(sp_remote_collect *c, sp_str type)
{
	struct {
		const char *type;
		bool wanted;
		sp_stream **slot;
	} rows[] = {
		{"error", true, &c->got.error},
		{"stdin", c->want_in, &c->got.in},
		{"stdout", c->want_out, &c->got.out},
		{"stderr", c->want_err, &c->got.err},
		{"resize", wants_resize(c), &c->got.resize},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (rows[i].wanted && sp_str_eq(type, sp_str_c(rows[i].type)))
			return rows[i].slot;
	}
	return NULL;
}

sp_code sp_remote_collect_add(sp_remote_collect *c, sp_stream *s, sp_err *err)
{
	sp_str type = sp_spdy_stream_header(s, SP_STR("streamtype"));
	sp_stream **slot = slot_of(c, type);
	if (slot == NULL)
		return sp_fail(err, SP_EINVAL, "unexpected stream type: \"" SP_FMT "\"", SP_ARG(type));
	if (*slot != NULL)
		return sp_fail(err, SP_EEXISTS, "stream type \"" SP_FMT "\" came twice", SP_ARG(type));
	SP_TRY(sp_spdy_reply(s, NULL, 0, err));
	*slot = s;
	if (++c->n_got == c->n_wanted) {
		sp_timer_stop(c->world, &c->timer);
		c->on_ready(c, &c->got);
	}
	return SP_OK;
}
