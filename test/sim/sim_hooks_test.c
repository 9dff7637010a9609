/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks that ask servers, and what is told of those that fail; probes over a restart of the agent. */
#include "lib/node_rig.h"
#include "lib/peer.h"
#include "lib/t.h"

#define HTTP_PORT "80"
#define BODY_BYTES_MAX 8192u

/* Whatever it is asked, TLS or not, it says no. */
static unsigned n_asked;
static char last_asked[BODY_BYTES_MAX];

static void on_asked(t_peer *p)
{
	static const sp_str no = SP_STR_INIT(
		"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	n_asked++;
	(void)snprintf(last_asked, sizeof last_asked, SP_FMT, SP_ARG(sp_buf_view(&p->got)));
	p->close_on_done = true;
	t_peer_send(p, no.ptr, no.len);
}

static void on_accept(void *arg, sp_stream *s)
{
	t_peer *p = t_peer_new(((node_rig *)arg)->user.world);
	T_DEFER(t_peer_free, p); /* it closes its stream at once */
	p->on_data = on_asked;
	t_peer_attach(p, s);
}

static void make_with_hook(node_rig *r, const char *name, const char *hook)
{
	sp_str spec = sp_arena_printf(T_ARENA,
				      "\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN
				      "],\"lifecycle\":{\"postStart\":{%s}}}]",
				      hook);
	nr_make(r, name, spec.ptr);
}

static bool asked(const char *text)
{
	return strstr(last_asked, text) != NULL;
}

/* Any answer will do, and one in plain text to a question by TLS brings the question in plain text, without
 * the secret. */
SP_TEST(sim_hooks, of_servers)
{
	sp_listener *listener;
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	sp_str host = sp_str_c(sp_sim_host_ip(r->user.host));
	T_OK(sp_listen(r->user.world, SP_STR("0.0.0.0:" HTTP_PORT), NULL, on_accept, r, &listener, T_ERR));
	n_asked = 0;
	sp_str get = sp_arena_printf(
		T_ARENA,
		"\"httpGet\":{\"host\":\"" SP_FMT "\",\"port\":" HTTP_PORT
		",\"path\":\"/up?now\",\"httpHeaders\":[{\"name\":\"Accept\",\"value\":\"\"}]}",
		SP_ARG(host));
	make_with_hook(r, "plain", get.ptr);
	T_TRUE(nr_becomes(r, "plain", STATUS(0) "ready", "true", 60));
	T_EQ_U64(n_asked, 1);
	T_TRUE(asked("GET /up?now HTTP/1.1\r\n") && asked("user-agent: kube-lifecycle/1.36\r\n") &&
	       !asked("accept:"));
	get = sp_arena_printf(
		T_ARENA,
		"\"httpGet\":{\"host\":\"" SP_FMT "\",\"port\":" HTTP_PORT
		",\"scheme\":\"HTTPS\",\"path\":\"/tls\",\"httpHeaders\":[{\"name\":\"Authorization\","
		"\"value\":\"secret\"},{\"name\":\"x-more\",\"value\":\"more\"}]}",
		SP_ARG(host));
	n_asked = 0;
	make_with_hook(r, "tls", get.ptr);
	T_TRUE(nr_becomes(r, "tls", STATUS(0) "ready", "true", 60));
	T_EQ_U64(n_asked, 2);
	T_TRUE(asked("GET /tls HTTP/1.1\r\n") && asked("x-more: more\r\n") && !asked("secret"));
	sp_str message = sp_arena_printf(T_ARENA,
					 "request to HTTPS lifecycle hook " SP_FMT ":" HTTP_PORT
					 " got HTTP response, retry with HTTP succeeded",
					 SP_ARG(host));
	T_TRUE(nr_has_event(r, "LifecycleHTTPFallback", message.ptr));
	sp_listener_close(listener);
}

/* What failed is told as kubelet tells it. */
SP_TEST(sim_hooks, that_fail)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	make_with_hook(r, "bad", "\"exec\":{\"command\":[\"fail\",\"now\"]}");
	T_TRUE(nr_becomes(r, "bad", STATUS(0) "state.waiting.reason", "PostStartHookError", 60));
	sp_str uid = nr_of(r, "bad", "metadata.uid");
	sp_str want =
		sp_arena_printf(T_ARENA,
				"Exec lifecycle hook ([fail now]) for Container \"a\" in Pod "
				"\"bad_default(" SP_FMT ")\" failed - error: command 'fail now' exited with "
				"1: no\n, message: \"no\\n\"",
				SP_ARG(uid));
	T_EQ_C(nr_of(r, "bad", STATUS(0) "state.waiting.message"), want.ptr);
	make_with_hook(r, "port", "\"httpGet\":{\"port\":\"none\",\"path\":\"/x\"}");
	T_TRUE(nr_becomes(r, "port", STATUS(0) "state.waiting.reason", "PostStartHookError", 60));
	T_TRUE(sp_str_starts(nr_of(r, "port", STATUS(0) "state.waiting.message"),
			     SP_STR("HTTP lifecycle hook (/x) for Container \"a\" in Pod \"port_default(")));
}

static unsigned n_hooks;

/* The first fails, the second does not. */
static bool on_hook(void *arg, sp_str pod, sp_str container)
{
	(void)arg, (void)pod, (void)container;
	return n_hooks++ % 2 == 1;
}

/* A container whose first hook failed ends as others do: its last hook is run. */
SP_TEST(sim_hooks, the_last_after_the_first_failed)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	r->cri.exec = on_hook;
	nr_make(r, "bad",
		"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN
		"],\"lifecycle\":{\"postStart\":{\"exec\":{\"command\":[\"x\"]}},"
		"\"preStop\":{\"exec\":{\"command\":[\"y\"]}}}}]");
	T_TRUE(nr_becomes(r, "bad", STATUS(0) "state.waiting.reason", "PostStartHookError", 60));
	T_EQ_U64(n_hooks, 2);
	T_TRUE(nr_has_event(r, "Killing", "FailedPostStartHook"));
}

static bool on_last(void *arg, sp_str pod, sp_str container)
{
	(void)arg, (void)pod, (void)container;
	n_hooks++;
	return true;
}

/* A pod that is to go at once, and stays in the API for somebody else's sake: its last hook has a second. */
SP_TEST(sim_hooks, the_last_without_grace)
{
	static const char finalizer[] = "{\"metadata\":{\"finalizers\":[\"example.com/x\"]}}";
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	r->cri.exec = on_last;
	nr_make(r, "held",
		"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN
		"],\"lifecycle\":{\"preStop\":{\"exec\":{\"command\":[\"y\"]}}}}]");
	T_TRUE(nr_becomes(r, "held", STATUS(0) "ready", "true", 20));
	sp_ask ask = {.verb = SP_ASK_MERGE_PATCH,
		      .gvr = SP_PODS,
		      .ns = SP_STR("default"),
		      .name = SP_STR("held"),
		      .body = sp_str_c(finalizer)};
	T_TRUE(t_ask_ok(&r->user, &ask, SP_OK));
	ask.verb = SP_ASK_DELETE;
	ask.body = SP_STR("{\"gracePeriodSeconds\":0}");
	T_TRUE(t_ask_ok(&r->user, &ask, SP_OK));
	T_TRUE(nr_becomes(r, "held", STATUS(0) "state.terminated.reason", "Error", 20));
	T_EQ_U64(n_hooks, 1);
}

/* ---- probes ---- */

static bool answers = true;
static unsigned n_probes;

static bool on_exec(void *arg, sp_str pod, sp_str container)
{
	(void)arg, (void)pod, (void)container;
	n_probes++;
	return answers;
}

#define READY_EVERY_MINUTE                                                  \
	"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN \
	"],\"readinessProbe\":{\"exec\":{\"command\":[\"ok\"]},\"periodSeconds\":60}}]"
#define PROBE(more) "{\"exec\":{\"command\":[\"ok\"]},\"periodSeconds\":10,\"failureThreshold\":3" more "}"

/* A pod that was ready stays so while the agent is away and back, until its probe says something else as
 * often as it has to; its startup probe is not asked again. */
SP_TEST(sim_hooks, probes_over_a_restart)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	answers = true;
	r->cri.exec = on_exec;
	nr_make(r, "p",
		"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN
		"],\"readinessProbe\":" PROBE("") "}]");
	nr_make(r, "s",
		"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN
		"],\"startupProbe\":" PROBE("") "}]");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "true", 60));
	T_TRUE(nr_becomes(r, "s", STATUS(0) "started", "true", 60));
	nr_run(r, 30 * SECOND);
	nr_agent_close(r);
	answers = false;
	T_TRUE(nr_agent_open(r));
	n_probes = 0;
	nr_run(r, 19 * SECOND); /* at most two probes */
	T_TRUE(n_probes >= 1);
	T_EQ_C(nr_of(r, "p", STATUS(0) "ready"), "true");
	T_EQ_C(nr_of(r, "s", STATUS(0) "started"), "true");
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "false", 20));
	nr_run(r, 60 * SECOND);
	T_EQ_C(nr_of(r, "s", STATUS(0) "started"), "true");
	T_EQ_C(nr_of(r, "s", STATUS(0) "restartCount"), "0");
	T_EQ_C(nr_of(r, "p", STATUS(0) "restartCount"), "0");
}

/* The agent is new: first probes come within a period, not all at once. Later they come at once. */
SP_TEST(sim_hooks, first_probes)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	unsigned n_early;
	T_TRUE(!t_failed());
	answers = true;
	n_probes = 0;
	r->cri.exec = on_exec;
	for (size_t i = 0; i < 12; i++) {
		char name[8];
		(void)snprintf(name, sizeof name, "p%zu", i);
		nr_make(r, name, READY_EVERY_MINUTE);
	}
	nr_run(r, 20 * SECOND);
	n_early = n_probes;
	T_TRUE(n_early > 0 && n_early < 12);
	nr_run(r, 50 * SECOND);
	T_TRUE(n_probes >= 12);
	nr_make(r, "late", READY_EVERY_MINUTE);
	T_TRUE(nr_becomes(r, "late", STATUS(0) "ready", "true", 3));
}
