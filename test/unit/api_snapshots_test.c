/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/snapshots.h"
#include "lib/api_ask.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define PATH "/sampan/v1/snapshots"

typedef struct saver {
	size_t n;
	char name[API_SNAPSHOT_NAME_MAX + 1];
	sp_code code; /* what the next one ends with */
} saver;

static sp_code save(void *arg, sp_str name, sp_err *err)
{
	saver *s = arg;
	s->n++;
	memcpy(s->name, name.ptr, name.len);
	s->name[name.len] = 0;
	return s->code == SP_OK ? SP_OK : sp_fail(err, s->code, "the disk says no");
}

SP_TEST(api_snapshots, names)
{
	static const struct {
		const char *name;
		bool ok;
	} rows[] = {{"a", true},        {"2026-01-01T00.00_x", true},
		    {"", false},        {".a", false},
		    {"-a", false},      {"a/b", false},
		    {"..", false},      {"a b", false},
		    {"\303\244", false}};
	char longest[API_SNAPSHOT_NAME_MAX + 2];
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		T_EQ_U64(api_snapshot_name_ok(sp_str_c(rows[i].name)), rows[i].ok);
	}
	memset(longest, 'a', sizeof longest);
	T_TRUE(api_snapshot_name_ok((sp_str){longest, API_SNAPSHOT_NAME_MAX}));
	T_TRUE(!api_snapshot_name_ok((sp_str){longest, API_SNAPSHOT_NAME_MAX + 1}));
}

static t_asker *with_saver(saver *s)
{
	t_asker *f = t_asker_open();
	if (f == NULL)
		return NULL;
	f->api.snapshots = (api_snapshot_opts){save, s};
	return t_api_restart(&f->api, SECOND) ? f : NULL;
}

SP_TEST(api_snapshots, answers)
{
	static saver s;
	static const t_ask_row rows[] = {
		{{.method = "POST", .path = PATH "?name=one"}, 201, "{\"name\":\"one\"}"},
		{{.method = "GET", .path = PATH}, 405, NULL},
		{{.method = "POST", .path = PATH}, 400, "name: *"},
		{{.method = "POST", .path = PATH "?name=..%2Fx"}, 400, "name: *"},
	};
	t_asker *f = with_saver(&s);
	if (f == NULL)
		return;
	t_ask_all(f, rows, SP_LEN(rows));
	T_EQ_C(sp_str_c(s.name), "one");
	T_EQ_U64(s.n, 1);
	s.code = SP_EEXISTS;
	t_ask_one(f, &(t_req){.method = "POST", .path = PATH "?name=two"}, 409, "there is a snapshot*");
	s.code = SP_EIO;
	t_ask_one(f, &(t_req){.method = "POST", .path = PATH "?name=two"}, 500, "the disk says no\n");
}

SP_TEST(api_snapshots, a_store_that_cannot)
{
	static const t_ask_row rows[] = {{{.method = "POST", .path = PATH "?name=one"}, 404, NULL}};
	t_ask_rows(rows, SP_LEN(rows));
}

#define N_CALLS 16u

static bool all_done(void *arg)
{
	const t_call *calls = arg;
	for (size_t i = 0; i < N_CALLS; i++) {
		if (!calls[i].closed)
			return false;
	}
	return true;
}

/* Some come while another one's copy is being made. */
SP_TEST(api_snapshots, one_at_a_time)
{
	static saver s;
	static t_call calls[N_CALLS];
	static const t_req q = {.method = "POST", .path = PATH "?name=one"};
	size_t n_made = 0;
	t_asker *f = with_saver(&s);
	if (f == NULL)
		return;
	for (size_t i = 0; i < N_CALLS; i++) {
		t_call_init(&calls[i]);
		T_DEFER(t_call_done, &calls[i]);
		T_TRUE(t_call_start(&f->api.maker, &calls[i], &q));
	}
	T_TRUE(sp_sim_run(f->api.sim, all_done, calls, sp_sim_now_ns(f->api.sim) + 60 * SECOND));
	for (size_t i = 0; i < N_CALLS; i++) {
		T_TRUE(calls[i].status == 201 || calls[i].status == 409);
		n_made += calls[i].status == 201;
	}
	T_EQ_U64(n_made, s.n);
	T_TRUE(n_made > 0 && n_made < N_CALLS);
}

static bool is_begun(void *arg)
{
	return ((const saver *)arg)->n == 1;
}

/* The server does not end while a worker reads its store, and a client that has gone changes nothing. */
SP_TEST(api_snapshots, end_of_the_server)
{
	static saver s;
	static t_call call;
	t_asker *f = with_saver(&s);
	if (f == NULL)
		return;
	t_call_init(&call);
	T_DEFER(t_call_done, &call);
	T_TRUE(t_call_start(&f->api.maker, &call, &(t_req){.method = "POST", .path = PATH "?name=one"}));
	T_TRUE(sp_sim_run(f->api.sim, is_begun, &s, sp_sim_now_ns(f->api.sim) + 60 * SECOND));
	T_TRUE(t_api_drain(&f->api, 0, sp_sim_now_ns(f->api.sim) + 60 * SECOND));
}
