/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client_host.h"

#include "lib/t.h"

#define SECOND UINT64_C(1000000000)

static void on_closed(void *arg)
{
	((t_user *)arg)->closed = true;
}

static bool is_closed(void *arg)
{
	return ((t_user *)arg)->closed;
}

static void user_close(void *arg)
{
	t_user *u = arg;
	sp_sim *s = u->api->sim;
	sp_buf_done(&u->body);
	sp_call_cancel(&u->call);
	sp_client_close(u->client, on_closed, u);
	if (!sp_sim_run(s, is_closed, u, sp_sim_now_ns(s) + 100 * SECOND))
		(void)t_fail(__FILE__, __LINE__, "a client does not close");
	else
		sp_client_free(u->client);
}

bool t_user_open(t_user *u, t_api *api, const char *name, bool h2)
{
	return t_user_open_as(u, api, name, &(sp_client_config){.h2 = h2});
}

bool t_user_open_as(t_user *u, t_api *api, const char *name, const sp_client_config *credentials)
{
	sp_client_config config = *credentials;
	config.scheme = SP_STR("http");
	config.address = SP_STR("server:80");
	config.namespace_ = SP_STR("default");
	*u = (t_user){.api = api, .host = sp_sim_host_new(api->sim, name, NULL, NULL)};
	u->world = sp_sim_world(u->host);
	sp_buf_init(&u->body, (size_t)64 << 20);
	const sp_client_opts o = {.config = &config, .user_agent = SP_STR("test/1")};
	if (sp_client_new(u->world, &o, &u->client, t_err()) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "no client: %s", t_err()->msg);
		return false;
	}
	T_DEFER(user_close, u);
	return true;
}

static void on_answer(sp_call *c, const sp_answer *a)
{
	t_user *u = c->arg;
	u->done = true;
	u->code = a->code;
	u->status = a->status;
	sp_buf_clear(&u->body);
	(void)sp_buf_str(&u->body, a->body);
	if (a->err != NULL)
		*t_err() = *a->err;
}

static bool is_done(void *arg)
{
	return ((t_user *)arg)->done;
}

void t_ask(t_user *u, const sp_ask *ask)
{
	sp_sim *s = u->api->sim;
	u->done = false;
	u->call = (sp_call){.done = on_answer, .arg = u};
	sp_call_start(u->client, &u->call, ask);
	if (!sp_sim_run(s, is_done, u, sp_sim_now_ns(s) + 100 * SECOND))
		(void)t_fail(__FILE__, __LINE__, "a call does not end");
}

bool t_ask_ok(t_user *u, const sp_ask *ask, sp_code code)
{
	t_ask(u, ask);
	if (u->code != code)
		(void)t_fail(__FILE__, __LINE__, "got %s, want %s: %s", sp_code_lookup(u->code)->name,
			     sp_code_lookup(code)->name, u->code == SP_OK ? "" : t_err()->msg);
	return u->code == code;
}
