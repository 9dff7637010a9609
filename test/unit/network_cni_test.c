/* SPDX-License-Identifier: Apache-2.0 */
/* CNI: configurations, what plugins are given and say, records; the network with a host that answers from a
 * table. */
#include "base/alloc.h"
#include "io/file.h"
#include "io/uv/uv.h"
#include "network/cni/cni.h"
#include "network/cni/store.h"

#include "lib/t.h"

#define RESULT                                                                                           \
	"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"br\"},{\"name\":\"eth0\",\"sandbox\":\"/" \
	"n\"}],"                                                                                         \
	"\"ips\":[{\"address\":\"fd00::5/64\",\"interface\":1},{\"address\":\"10.1.0.1/"                 \
	"24\",\"interface\":0},"                                                                         \
	"{\"address\":\"10.1.0.5/24\",\"interface\":1}]}"

/* ---- text ---- */

SP_TEST(network_cni, lists)
{
	static const struct {
		const char *text, *version;
		sp_code code;
	} rows[] = {
		{"{\"name\":\"a\",\"plugins\":[{\"type\":\"x\"}]}", "0.1.0", SP_OK},
		{"{\"name\":\"a\",\"cniVersion\":\"1.0.0\",\"plugins\":[{\"type\":\"x\"}]}", "1.0.0", SP_OK},
		{"{\"name\":\"a\",\"cniVersions\":[\"0.4.0\",\"9.0.0\",\"1.1.0\",\"1.0.0\"],\"plugins\":[{"
		 "\"type\":\"x\"}]}",
		 "1.1.0", SP_OK},
		{"{\"name\":\"a\",\"cniVersions\":[\"9.0.0\"],\"plugins\":[{\"type\":\"x\"}]}", "",
		 SP_EINVAL},
		{"{\"name\":\"a\",\"plugins\":[]}", "", SP_EINVAL},
		{"{\"name\":\"a\"}", "", SP_EINVAL},
		{"{\"name\":\"a\",\"plugins\":[{}]}", "", SP_EINVAL},
		{"{\"name\":\"a/b\",\"plugins\":[{\"type\":\"x\"}]}", "", SP_EINVAL},
		{"{\"plugins\":[{\"type\":\"x\"}]}", "", SP_EINVAL},
		{"[]", "", SP_EINVAL},
		{"{", "", SP_EINVAL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		cni_list list;
		t_row("%zu", i);
		T_CODE(cni_list_parse(sp_str_c(rows[i].text), T_ARENA, &list, T_ERR), rows[i].code);
		if (rows[i].code == SP_OK)
			T_EQ_C(list.version, rows[i].version);
	}
	T_TRUE(cni_version_is(SP_STR("1.1.0"), "0.4.0"));
	T_TRUE(cni_version_is(SP_STR("0.4.0"), "0.4.0"));
	T_TRUE(!cni_version_is(SP_STR("0.3.1"), "0.4.0"));
	T_TRUE(!cni_version_is(SP_STR("x"), "0.4.0"));
}

SP_TEST(network_cni, plugins_of_files_follow_those_of_the_list)
{
	static const struct {
		const char *text, *name;
		bool only_inlined;
		sp_code code;
	} heads[] = {
		{"{\"name\":\"a\"}", "a", false, SP_OK},
		{"{\"name\":\"a\",\"plugins\":[{\"type\":\"x\"}],\"loadOnlyInlinedPlugins\":true}", "a", true,
		 SP_OK},
		{"{\"name\":\"a\",\"loadOnlyInlinedPlugins\":true}", "", false, SP_EINVAL},
		{"{\"name\":\"a\",\"plugins\":[]}", "", false, SP_EINVAL},
		{"{\"name\":\"a\",\"plugins\":1}", "", false, SP_EINVAL},
		{"{\"plugins\":[{}]}", "", false, SP_EINVAL},
		{"[]", "", false, SP_EINVAL},
	};
	for (size_t i = 0; i < SP_LEN(heads); i++) {
		cni_list_head head;
		t_row("%zu", i);
		T_CODE(cni_list_head_parse(sp_str_c(heads[i].text), T_ARENA, &head, T_ERR), heads[i].code);
		if (heads[i].code == SP_OK) {
			T_EQ_C(head.name, heads[i].name);
			T_TRUE(head.only_inlined == heads[i].only_inlined);
		}
	}
	const sp_str more[] = {SP_STR("{\"type\":\"y\"}"), SP_STR("{\"type\":\"z\"}")};
	const sp_str none[] = {SP_STR("{\"name\":\"y\"}")};
	sp_str text;
	T_OK(cni_list_add(SP_STR("{\"plugins\":[{\"type\":\"x\"}],\"name\":\"a\"}"), more, 2, T_ARENA, &text,
			  T_ERR));
	T_EQ_C(text, "{\"name\":\"a\",\"plugins\":[{\"type\":\"x\"},{\"type\":\"y\"},{\"type\":\"z\"}]}");
	T_OK(cni_list_add(SP_STR("{\"name\":\"a\"}"), more, 1, T_ARENA, &text, T_ERR));
	T_EQ_C(text, "{\"name\":\"a\",\"plugins\":[{\"type\":\"y\"}]}");
	T_CODE(cni_list_add(SP_STR("{\"name\":\"a\"}"), more, 0, T_ARENA, &text, T_ERR), SP_EINVAL);
	T_EQ_C(sp_str_c(t_err()->msg), "no plugin configs found");
	T_CODE(cni_list_add(SP_STR("{\"name\":\"a\"}"), none, 1, T_ARENA, &text, T_ERR), SP_EINVAL);
}

static sp_cri_pod_sandbox_config pod_with(sp_pb_pair *annotation, sp_cri_port_mapping *ports, size_t n_ports)
{
	static sp_cri_pod_sandbox_metadata meta = {
		.name = SP_STR_INIT("p"), .namespace = SP_STR_INIT("ns"), .uid = SP_STR_INIT("u")};
	sp_cri_pod_sandbox_config c = {.metadata = &meta};
	c.annotations.at = annotation;
	c.annotations.n = annotation != NULL ? 1 : 0;
	c.port_mappings.at = ports;
	c.port_mappings.n = n_ports;
	return c;
}

SP_TEST(network_cni, a_plugin_is_given_what_it_declares)
{
	sp_pb_pair rate = {.key = SP_STR("kubernetes.io/egress-bandwidth"), .value = SP_STR("10M")};
	sp_cri_port_mapping ports[] = {{.container_port = 1},
				       {.container_port = 80, .host_port = 8080, .protocol = SP_CRI_UDP}};
	const sp_cri_pod_sandbox_config c = pod_with(&rate, ports, 2);
	cni_capabilities caps;
	cni_list list;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	T_OK(cni_capabilities_of(&c, SP_STR("10.1.0.0/24"), T_ARENA, &caps, T_ERR));
	T_EQ_C(caps.dns, "");
	T_EQ_C(caps.cgroup_path, "");
	T_EQ_C(caps.annotations, "{\"kubernetes.io/egress-bandwidth\":\"10M\"}");
	T_OK(cni_list_parse(
		SP_STR("{\"name\":\"n\",\"cniVersion\":\"1.0.0\",\"plugins\":[{\"type\":\"x\",\"prevResult\":"
		       "1,"
		       "\"cniVersion\":\"0.1.0\",\"own\":[1],\"capabilities\":{\"portMappings\":true,"
		       "\"bandwidth\":true,\"dns\":true,\"aliases\":false}}]}"),
		T_ARENA, &list, T_ERR));
	const cni_input in = {.list = &list, .caps = &caps, .prev = SP_STR("{\"ips\":[]}")};
	cni_input_write(&in, 0, &out);
	T_EQ_C(sp_buf_view(&out),
	       "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"x\",\"own\":[1],\"runtimeConfig\":{"
	       "\"portMappings\":[{"
	       "\"hostPort\":8080,\"containerPort\":80,\"protocol\":\"udp\",\"hostIP\":\"\"}],\"bandwidth\":{"
	       "\"egressRate\":10000000,\"egressBurst\":2147483647}},\"prevResult\":{\"ips\":[]}}");
	rate.value = SP_STR("1");
	T_CODE(cni_capabilities_of(&c, SP_STR(""), T_ARENA, &caps, T_ERR), SP_EINVAL);
	T_EQ_C(sp_str_c(t_err()->msg), "resource \"1\" is unreasonably small (< 1kbit)");
	rate.value = SP_STR("fast");
	T_CODE(cni_capabilities_of(&c, SP_STR(""), T_ARENA, &caps, T_ERR), SP_EINVAL);
}

SP_TEST(network_cni, addresses_of_a_result)
{
	static const struct {
		const char *text, *ips;
		sp_code code;
	} rows[] = {
		{RESULT, "10.1.0.5 fd00::5", SP_OK},
		{"{\"ips\":[{\"address\":\"10.1.0.7/16\"}]}", "10.1.0.7", SP_OK},
		{"{\"ip4\":{\"ip\":\"10.1.0.8/16\"},\"ip6\":{\"ip\":\"fd00::8/64\"}}", "10.1.0.8 fd00::8",
		 SP_OK},
		{"{\"ips\":[{\"address\":\"10.1.0.7/16\",\"interface\":9}]}", "", SP_OK},
		{"{}", "", SP_OK},
		{"{\"ips\":[{\"address\":\"10.1.0.7\"}]}", "", SP_EPROTO},
		{"{\"ips\":[{}]}", "", SP_EPROTO},
		{"[]", "", SP_EPROTO},
		{"", "", SP_EINVAL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str *ips;
		size_t n;
		SP_AUTO_BUF out;
		t_row("%zu", i);
		sp_buf_init(&out, 1024);
		T_CODE(cni_result_parse(sp_str_c(rows[i].text), SP_STR("eth0"), T_ARENA, &ips, &n, T_ERR),
		       rows[i].code);
		for (size_t k = 0; rows[i].code == SP_OK && k < n; k++)
			sp_buf_printf(&out, "%s" SP_FMT, k == 0 ? "" : " ", SP_ARG(ips[k]));
		T_EQ_C(sp_buf_view(&out), rows[i].ips);
	}
}

SP_TEST(network_cni, why_a_plugin_failed)
{
	sp_err err;
	(void)cni_failure(SP_STR("x"), "add", SP_STR("{\"code\":11,\"msg\":\"m\",\"details\":\"d\"}"),
			  SP_STR("noise"), 1, &err);
	T_EQ_C(sp_str_c(err.msg), "plugin type=\"x\" failed (add): m; d");
	(void)cni_failure(SP_STR("x"), "add", SP_STR(""), SP_STR("panic\n"), 2, &err);
	T_EQ_C(sp_str_c(err.msg), "plugin type=\"x\" failed (add): netplugin failed: panic");
	(void)cni_failure(SP_STR("x"), "delete", SP_STR(""), SP_STR(""), 3, &err);
	T_EQ_C(sp_str_c(err.msg),
	       "plugin type=\"x\" failed (delete): netplugin failed with no error message: exit status 3");
}

SP_TEST(network_cni, a_record_reads_back)
{
	const cni_record r = {.id = SP_STR("c1"),
			      .if_name = SP_STR("eth0"),
			      .network = SP_STR("n"),
			      .conf = SP_STR("{\"name\":\"n\"}"),
			      .args = SP_STR("IgnoreUnknown=1;A=b"),
			      .caps = {.aliases = SP_STR("[\"p\"]")},
			      .result = SP_STR("{\"ips\":[]}")};
	cni_record back;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	T_OK(cni_record_write(&r, &out, T_ERR));
	T_OK(cni_record_parse(sp_buf_view(&out), T_ARENA, &back, T_ERR));
	T_EQ_STR(back.id, r.id);
	T_EQ_STR(back.if_name, r.if_name);
	T_EQ_STR(back.network, r.network);
	T_EQ_STR(back.conf, r.conf);
	T_EQ_STR(back.args, r.args);
	T_EQ_STR(back.caps.aliases, r.caps.aliases);
	T_EQ_C(back.caps.dns, "");
	T_EQ_STR(back.result, r.result);
	T_CODE(cni_record_parse(SP_STR("{\"kind\":\"x\"}"), T_ARENA, &back, T_ERR), SP_EINVAL);
	T_CODE(cni_record_parse(SP_STR("{\"kind\":\"cniCacheV1\",\"config\":\"?\"}"), T_ARENA, &back, T_ERR),
	       SP_EINVAL);
}

/* ---- the network ---- */

typedef struct rig {
	sp_host host;
	sp_pod_network builtin, *cni;
	cni_opts opts;
	sp_world *world;
	sp_log *log;
	char conf_dir[300], cache_dir[300];
	char asked[512];        /* "ADD a,DEL a,…"; "builtin" */
	sp_host_cni_verb fails; /* of the first plugin */
	bool hangs;
	sp_host_call *waits;
	sp_code code;
	char ip[64], msg[600];
	bool done;
	const char *awaited;
	char logged[1024];
} rig;

static const char *const verbs[] = {"ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"};

static void note(rig *r, const char *text)
{
	size_t n = strlen(r->asked);
	(void)snprintf(r->asked + n, sizeof r->asked - n, "%s%s", n == 0 ? "" : ",", text);
}

static void host_call(sp_host *h, sp_host_method m, const void *request, sp_host_call *c)
{
	rig *r = SP_CONTAINER_OF(h, rig, host);
	const sp_host_cni *q = request;
	char text[64];
	SP_ASSERT(m == SP_HOST_CNI);
	(void)snprintf(text, sizeof text, "%s " SP_FMT, verbs[q->verb], SP_ARG(q->type));
	note(r, text);
	const sp_host_cni_answer good = {.output = SP_STR(RESULT)};
	const sp_host_cni_answer bad = {.output = SP_STR("{\"msg\":\"no\"}"), .status = 1};
	r->waits = r->hangs ? c : NULL;
	if (!r->hangs)
		c->done(c,
			(sp_host_cni_verb)q->verb == r->fails && sp_str_eq(q->type, SP_STR("a")) ? &bad
												 : &good,
			NULL);
	if (r->awaited != NULL && strcmp(r->awaited, text) == 0) {
		r->awaited = NULL;
		sp_world_stop(r->world);
	}
}

static void host_cancel(sp_host *h, sp_host_call *c)
{
	rig *r = SP_CONTAINER_OF(h, rig, host);
	if (r->waits == c)
		r->waits = NULL;
}

static void builtin_attach(sp_pod_network *n, sp_str id, const sp_cri_pod_sandbox_config *config,
			   sp_pod_network_call *c)
{
	static sp_str ip = SP_STR_INIT("10.9.0.2");
	sp_pod_attachment a = {.host_if = SP_STR("if0")};
	(void)id, (void)config;
	a.ips.at = &ip;
	a.ips.n = 1;
	note(SP_CONTAINER_OF(n, rig, builtin), "builtin");
	c->done(c, &a, NULL);
}

static void builtin_detach(sp_pod_network *n, sp_str id, const sp_pod_attachment *a, sp_pod_network_call *c)
{
	(void)id, (void)a;
	note(SP_CONTAINER_OF(n, rig, builtin), "builtin off");
	c->done(c, NULL, NULL);
}

static sp_code builtin_ready(sp_pod_network *n, sp_err *err)
{
	(void)n, (void)err;
	return SP_OK;
}

static void on_done(sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err)
{
	rig *r = c->arg;
	r->done = true;
	r->code = err == NULL ? SP_OK : err->code;
	(void)snprintf(r->msg, sizeof r->msg, "%s", err == NULL ? "" : err->msg);
	r->ip[0] = '\0';
	if (a != NULL)
		(void)snprintf(r->ip, sizeof r->ip, SP_FMT, SP_ARG(a->ips.at[0]));
	sp_world_stop(r->world);
}

static void rig_done(void *arg)
{
	rig *r = arg;
	cni_free(r->cni);
	sp_world_uv_free(r->world);
	sp_log_free(r->log);
}

static int64_t wall_ns(void *arg)
{
	(void)arg;
	return 0;
}

static void write_line(void *arg, sp_str line)
{
	rig *r = arg;
	(void)snprintf(r->logged, sizeof r->logged, SP_FMT, SP_ARG(line));
	if (r->awaited != NULL) { /* it did not come to that */
		r->awaited = NULL;
		sp_world_stop(r->world);
	}
}

static void rig_init(rig *r)
{
	*r = (rig){.host = {.call = host_call, .cancel = host_cancel}, .fails = SP_HOST_CNI_VERBS_};
	r->builtin =
		(sp_pod_network){.attach = builtin_attach, .detach = builtin_detach, .ready = builtin_ready};
	(void)snprintf(r->conf_dir, sizeof r->conf_dir, "%s/net.d", t_tmpdir());
	(void)snprintf(r->cache_dir, sizeof r->cache_dir, "%s/cache", t_tmpdir());
	T_OK(sp_world_uv_new(&r->world, T_ERR));
	const sp_log_opts log = {.level = SP_LOG_WARN, .wall_ns = wall_ns, .write = write_line, .arg = r};
	r->log = sp_log_new(&log);
	r->opts = (cni_opts){.log = r->log,
			     .host = &r->host,
			     .builtin = &r->builtin,
			     .conf_dir = sp_str_c(r->conf_dir),
			     .cache_dir = sp_str_c(r->cache_dir)};
	r->cni = cni_new(r->world, &r->opts);
	T_DEFER(rig_done, r);
}

static void configure(const rig *r, const char *name, const char *text)
{
	sp_str path = sp_arena_printf(T_ARENA, "%s/%s", r->conf_dir, name);
	T_OK(sp_dir_make(r->world, sp_str_c(r->conf_dir), 0755, T_ERR));
	T_OK(sp_file_replace(r->world, path, sp_str_c(text), 0644, T_ERR));
}

static void begin(rig *r)
{
	r->asked[0] = '\0';
	r->done = false;
}

static void attach(rig *r)
{
	const sp_cri_pod_sandbox_config config = pod_with(NULL, NULL, 0);
	sp_pod_network_call c = {.done = on_done, .arg = r};
	begin(r);
	r->cni->attach(r->cni, SP_STR("c1"), &config, &c);
	while (!r->done)
		sp_world_run(r->world);
}

static void detach(rig *r, const char *host_if)
{
	const sp_pod_attachment a = {.host_if = sp_str_c(host_if)};
	sp_pod_network_call c = {.done = on_done, .arg = r};
	begin(r);
	r->cni->detach(r->cni, SP_STR("c1"), &a, &c);
	while (!r->done)
		sp_world_run(r->world);
}

static sp_code look(rig *r)
{
	sp_pod_network_call c = {.done = on_done, .arg = r};
	begin(r);
	r->cni->refresh(r->cni, &c);
	while (!r->done)
		sp_world_run(r->world);
	return r->cni->ready(r->cni, T_ERR);
}

static void settle(rig *r, const sp_str *ids, size_t n)
{
	sp_pod_network_call c = {.done = on_done, .arg = r};
	begin(r);
	r->cni->settle(r->cni, ids, n, &c);
	while (!r->done)
		sp_world_run(r->world);
}

#define LIST(version) \
	"{\"name\":\"n\",\"cniVersion\":\"" version "\",\"plugins\":[{\"type\":\"a\"},{\"type\":\"b\"}]}"

SP_TEST(network_cni, without_a_configuration_the_builtin_network_is_used)
{
	static rig r;
	rig_init(&r);
	T_OK(look(&r));
	attach(&r);
	T_EQ_C(sp_str_c(r.asked), "builtin");
	T_EQ_C(sp_str_c(r.ip), "10.9.0.2");
	detach(&r, "if0");
	T_EQ_C(sp_str_c(r.asked), "builtin off");
	/* What was attached by the one is taken off by it, whatever is configured meanwhile. */
	configure(&r, "1.conflist", LIST("1.0.0"));
	detach(&r, "if0");
	T_EQ_C(sp_str_c(r.asked), "builtin off");
	detach(&r, "");
	T_EQ_C(sp_str_c(r.asked), "");
	T_OK(r.code);
}

SP_TEST(network_cni, plugins_run_in_order_and_back)
{
	static rig r;
	rig_init(&r);
	configure(&r, "2.conflist", "{");
	configure(&r, "1.conflist", LIST("1.0.0"));
	T_OK(look(&r));
	attach(&r);
	T_OK(r.code);
	T_EQ_C(sp_str_c(r.asked), "ADD a,ADD b");
	T_EQ_C(sp_str_c(r.ip), "10.1.0.5");
	/* DEL is by what was, not by what is configured now. */
	T_OK(sp_path_unlink(r.world, sp_arena_printf(T_ARENA, "%s/1.conflist", r.conf_dir), T_ERR));
	r.fails = SP_HOST_CNI_DEL;
	detach(&r, "");
	T_EQ_C(sp_str_c(r.asked), "DEL b,DEL a");
	T_EQ_C(sp_str_c(r.msg),
	       "failed to destroy network for sandbox \"c1\": plugin type=\"a\" failed (delete): no");
	r.fails = SP_HOST_CNI_VERBS_;
	detach(&r, "");
	T_EQ_C(sp_str_c(r.asked), "DEL b,DEL a");
	T_OK(r.code);
}

SP_TEST(network_cni, a_failed_add_is_taken_back)
{
	static rig r;
	rig_init(&r);
	configure(&r, "1.conflist", LIST("1.0.0"));
	r.fails = SP_HOST_CNI_ADD;
	attach(&r);
	T_EQ_C(sp_str_c(r.asked), "ADD a");
	T_EQ_C(sp_str_c(r.msg),
	       "failed to setup network for sandbox \"c1\": plugin type=\"a\" failed (add): no");
	detach(&r, "");
	T_EQ_C(sp_str_c(r.asked), "DEL b,DEL a");
	detach(&r, "");
	T_EQ_C(sp_str_c(r.asked), "");
}

SP_TEST(network_cni, states)
{
	static rig r;
	rig_init(&r);
	configure(&r, "1.conf", "{\"name\":\"n\"}");
	T_CODE(look(&r), SP_EUNAVAILABLE);
	T_EQ_C(sp_str_c(t_err()->msg), "Network plugin returns error: cni plugin not initialized");
	attach(&r);
	T_EQ_C(sp_str_c(r.msg), "failed to setup network for sandbox \"c1\": cni plugin not initialized");
	configure(&r, "1.conf", "{\"name\":\"n\",\"type\":\"a\",\"cniVersion\":\"1.1.0\"}");
	T_OK(look(&r));
	T_EQ_C(sp_str_c(r.asked), "STATUS a");
	r.fails = SP_HOST_CNI_STATUS;
	T_TRUE(look(&r) != SP_OK);
	T_EQ_C(sp_str_c(t_err()->msg), "Network plugin returns error: plugin type=\"a\" failed (status): no");
	r.fails = SP_HOST_CNI_VERBS_;
	configure(&r, "1.conf", "{");
	T_OK(look(&r)); /* the one before stays */
	attach(&r);
	T_EQ_C(sp_str_c(r.asked), "ADD a");
	T_OK(sp_path_unlink(r.world, sp_arena_printf(T_ARENA, "%s/1.conf", r.conf_dir), T_ERR));
	T_OK(look(&r));
	T_EQ_C(sp_str_c(r.asked), "");
}

static void on_deadline(sp_timer *t)
{
	rig *r = t->arg;
	r->awaited = NULL;
	sp_world_stop(r->world);
}

/* Until a plugin has answered that runs behind; the deadline is for failures only. */
static bool until_asked(rig *r, const char *what)
{
	sp_timer t = {.arg = r};
	r->awaited = what;
	sp_timer_start(r->world, &t, UINT64_C(1000000000), on_deadline);
	while (r->awaited != NULL)
		sp_world_run(r->world);
	sp_timer_stop(r->world, &t);
	return strstr(r->asked, what) != NULL;
}

SP_TEST(network_cni, what_nobody_knows_is_taken_back)
{
	static rig r;
	rig_init(&r);
	const sp_str ids[] = {SP_STR("c1")};
	configure(&r, "1.conflist", LIST("1.1.0"));
	attach(&r);
	T_OK(r.code);
	settle(&r, ids, 1);
	T_OK(r.code);
	T_EQ_C(sp_str_c(r.asked), "GC a,GC b");
	T_TRUE(until_asked(&r, "CHECK b"));
	T_EQ_C(sp_str_c(r.asked), "GC a,GC b,CHECK a,CHECK b");
	T_EQ_C(sp_str_c(r.logged), "");
	r.fails = SP_HOST_CNI_CHECK;
	settle(&r, ids, 1);
	T_OK(r.code);
	T_TRUE(until_asked(&r, "CHECK a"));
	T_EQ_C(sp_str_c(r.asked), "GC a,GC b,CHECK a");
	T_TRUE(strstr(r.logged, "plugin type=\\\"a\\\" failed (check): no") != NULL);
	r.fails = SP_HOST_CNI_VERBS_;
	settle(&r, NULL, 0);
	T_EQ_C(sp_str_c(r.asked), "DEL b,DEL a,GC a,GC b");
	r.fails = SP_HOST_CNI_GC;
	settle(&r, NULL, 0);
	T_EQ_C(sp_str_c(r.asked), "GC a,GC b");
	T_OK(r.code);
}

static void on_plugin_waits(sp_timer *t)
{
	rig *r = t->arg;
	if (r->waits == NULL)
		sp_timer_start(r->world, t, 1000000, on_plugin_waits);
	else
		sp_world_stop(r->world);
}

SP_TEST(network_cni, a_canceled_request_says_nothing)
{
	static rig r;
	rig_init(&r);
	const sp_cri_pod_sandbox_config config = pod_with(NULL, NULL, 0);
	sp_pod_network_call c = {.done = on_done, .arg = &r};
	sp_timer t = {.arg = &r};
	configure(&r, "1.conflist", LIST("1.0.0"));
	r.hangs = true;
	begin(&r);
	r.cni->attach(r.cni, SP_STR("c1"), &config, &c);
	r.cni->cancel(r.cni, &c); /* a worker has it */
	r.cni->cancel(r.cni, &c);
	r.cni->attach(r.cni, SP_STR("c2"), &config, &c);
	sp_timer_start(r.world, &t, 1000000, on_plugin_waits);
	sp_world_run(r.world);
	r.cni->cancel(r.cni, &c); /* a plugin runs */
	T_TRUE(!r.done && r.waits == NULL);
}
