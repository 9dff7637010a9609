/* SPDX-License-Identifier: Apache-2.0 */
/* Priority and fairness through the API server: who gets a seat, who waits, who is refused. */
#include "apiserver/flow/level.h"
#include "lib/api_ask.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define FLOWS "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
#define LEVELS "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"
#define MAPS "/api/v1/namespaces/default/configmaps"
#define CALLS_MAX 16u

SP_TEST(api_flow, hands)
{
	static const uint32_t sizes[][2] = {{1, 1}, {2, 2}, {16, 4}, {64, 6}, {128, 6}, {10, 10}};
	for (size_t s = 0; s < SP_LEN(sizes); s++) {
		bool seen[128] = {false};
		for (unsigned n = 0; n < 4000; n++) {
			uint32_t hand[API_LEVEL_HAND_MAX];
			size_t k = api_level_deal(t_random(), sizes[s][0], sizes[s][1], hand);
			T_EQ_U64(k, sizes[s][1]);
			for (size_t i = 0; i < k; i++) {
				T_TRUE(hand[i] < sizes[s][0]);
				seen[hand[i]] = true;
				for (size_t j = 0; j < i; j++)
					T_TRUE(hand[i] != hand[j]);
			}
		}
		for (uint32_t i = 0; i < sizes[s][0]; i++)
			T_TRUE(seen[i]);
	}
}

typedef struct flood {
	t_asker *f;
	t_call calls[CALLS_MAX];
	size_t n;
} flood;

static void flood_done(void *arg)
{
	flood *w = arg;
	for (size_t i = 0; i < CALLS_MAX; i++)
		t_call_done(&w->calls[i]);
}

/* A server with that many seats. */
static flood *open_flood(uint32_t seats)
{
	static const sp_store_mem_opts slow = {.commit_ns = SECOND / 5};
	flood *w = sp_new(T_ARENA, flood, 1);
	w->f = t_asker_open_on(&slow);
	if (w->f == NULL)
		return NULL;
	w->f->api.seats = seats;
	for (size_t i = 0; i < CALLS_MAX; i++)
		t_call_init(&w->calls[i]);
	t_defer(flood_done, w);
	return t_api_restart(&w->f->api, SECOND) ? w : NULL;
}

static bool all_closed(void *arg)
{
	const flood *w = arg;
	for (size_t i = 0; i < w->n; i++) {
		if (!w->calls[i].closed)
			return false;
	}
	return true;
}

/* All at once; the store takes a while for each. */
static void send_all(flood *w, size_t n, const char *user)
{
	for (size_t i = 0; i < n; i++) {
		const t_req q = {.method = "POST",
				 .path = MAPS,
				 .user = user,
				 .body = SP_STR("{\"metadata\":{\"generateName\":\"m\"}}")};
		T_TRUE(t_call_start(&w->f->api.maker, &w->calls[w->n++], &q));
	}
}

static void run_all(flood *w)
{
	T_TRUE(sp_sim_run(w->f->api.sim, all_closed, w, sp_sim_now_ns(w->f->api.sim) + 60 * SECOND));
}

static size_t count(const flood *w, size_t from, size_t to, uint16_t status)
{
	size_t n = 0;
	for (size_t i = from; i < to; i++)
		n += w->calls[i].status == status;
	return n;
}

SP_TEST(api_flow, without_seats_refused)
{
	flood *w = open_flood(2);
	if (w == NULL)
		return;
	send_all(w, 8, NULL);
	run_all(w);
	size_t n = count(w, 0, 8, 429);
	T_TRUE(n > 0 && count(w, 0, 8, 201) == 8 - n);
	for (size_t i = 0; i < 8; i++) {
		if (w->calls[i].status != 429)
			continue;
		T_EQ_STR(sp_buf_view(&w->calls[i].body),
			 SP_STR("Too many requests, please try again later.\n"));
		T_EQ_C(sp_str_c(w->calls[i].retry_after), "1");
		T_EQ_C(sp_str_c(w->calls[i].type), "text/plain; charset=utf-8");
	}
	/* All seats are back. */
	w->n = 0;
	send_all(w, 2, NULL);
	run_all(w);
	T_EQ_U64(count(w, 0, 2, 201), 2);
}

#define LEVEL(name, limit)                                                                   \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"type\":\"Limited\",\"limited\":{" \
	"\"nominalConcurrencyShares\":5,\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{" \
	"\"queues\":2,\"handSize\":1,\"queueLengthLimit\":" limit "}}}}}"
#define FLOW(name, level, user)                                                                          \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"priorityLevelConfiguration\":{\"name\":"      \
	"\"" level "\"},\"distinguisherMethod\":{\"type\":\"ByUser\"},\"rules\":[{\"subjects\":[{"       \
	"\"kind\":\"User\",\"user\":{\"name\":\"" user "\"}}],\"resourceRules\":[{\"verbs\":[\"create\"" \
	"],\"apiGroups\":[\"\"],\"resources\":[\"configmaps\"],\"namespaces\":[\"*\"]}]}]}}"

static void make(flood *w, const char *path, const char *body)
{
	if (!t_failed())
		t_ask_one(w->f, &(t_req){.method = "POST", .path = path, .body = sp_str_c(body)}, 201, NULL);
}

SP_TEST(api_flow, queues)
{
	flood *w = open_flood(2);
	if (w == NULL)
		return;
	make(w, LEVELS, LEVEL("l", "3"));
	make(w, FLOWS, FLOW("f", "l", "u"));
	if (t_failed())
		return;
	/* One runs, three wait, the rest is too much; others are not touched. */
	send_all(w, 8, "u");
	send_all(w, 1, NULL);
	run_all(w);
	T_EQ_U64(count(w, 0, 8, 201), 4);
	T_EQ_U64(count(w, 0, 8, 429), 4);
	T_EQ_U64(count(w, 8, 9, 201), 1);
	T_TRUE(w->calls[0].level_uid[0] != '\0');
	T_TRUE(strcmp(w->calls[0].level_uid, w->calls[8].level_uid) != 0);
	/* The same verb on something else is not the schema's. */
	t_ask_one(w->f, &(t_req){.method = "GET", .path = MAPS, .user = "u"}, 200, NULL);
	T_TRUE(strcmp(w->f->call.level_uid, w->calls[0].level_uid) != 0);
	/* A longer queue counts from the next request on. */
	t_ask_one(w->f,
		  &(t_req){.method = "PATCH",
			   .path = LEVELS "/l",
			   .type = "application/merge-patch+json",
			   .body = SP_STR(
				   "{\"spec\":{\"limited\":{\"limitResponse\":{\"queuing\":{\"queues\":4,"
				   "\"queueLengthLimit\":20}}}}}")},
		  200, NULL);
	w->n = 0;
	send_all(w, 8, "u");
	run_all(w);
	T_EQ_U64(count(w, 0, 8, 201), 8);
}

SP_TEST(api_flow, who_leaves_the_queue)
{
	flood *w = open_flood(2);
	if (w == NULL)
		return;
	make(w, LEVELS, LEVEL("l", "9"));
	make(w, FLOWS, FLOW("f", "l", "u"));
	if (t_failed())
		return;
	send_all(w, 6, "u");
	sp_sim_run_until(w->f->api.sim, sp_sim_now_ns(w->f->api.sim) + 1000000);
	for (size_t i = 3; i < 6; i++) {
		if (w->calls[i].ex != NULL)
			sp_http_reset(w->calls[i].ex, SP_HTTP2_CANCEL);
	}
	run_all(w);
	T_TRUE(count(w, 0, 6, 201) >= 3);
	/* The level goes with what is in it; what waits is served. */
	w->n = 0;
	send_all(w, 6, "u");
	t_ask_one(w->f, &(t_req){.method = "DELETE", .path = FLOWS "/f"}, 200, NULL);
	t_ask_one(w->f, &(t_req){.method = "DELETE", .path = LEVELS "/l"}, 200, NULL);
	run_all(w);
	T_EQ_U64(count(w, 0, 6, 201), 6);
}

/* As many watches as anybody likes: none keeps its seat. */
SP_TEST(api_flow, watches_give_their_seat_back)
{
	flood *w = open_flood(1);
	if (w == NULL)
		return;
	for (size_t i = 0; i < 4; i++) {
		const t_req q = {.method = "GET", .path = MAPS "?watch=true&timeoutSeconds=30"};
		T_TRUE(t_call_start(&w->f->api.maker, &w->calls[w->n++], &q));
		sp_sim_run_until(w->f->api.sim, sp_sim_now_ns(w->f->api.sim) + SECOND);
		T_EQ_U64(w->calls[i].status, 200);
	}
	t_ask_one(w->f, &(t_req){.method = "GET", .path = MAPS}, 200, NULL);
	run_all(w);
}
