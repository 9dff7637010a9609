/* SPDX-License-Identifier: Apache-2.0 */
/* Audit policies, events and the log they go to. */
#include "apiserver/audit/log.h"
#include "apiserver/audit/policy.h"
#include "io/file.h"
#include "lib/api_ask.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define MAPS "/api/v1/namespaces/default/configmaps"
#define HEAD "{\"apiVersion\":\"audit.k8s.io/v1\",\"kind\":\"Policy\","

static void free_policy(void *arg)
{
	api_audit_policy_free(arg);
}

static api_audit_policy *policy_of(const char *text)
{
	api_audit_policy *p = NULL;
	if (api_audit_policy_parse(sp_str_c(text), &p, T_ERR) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "%s", T_ERR->msg);
		return NULL;
	}
	t_defer(free_policy, p);
	return p;
}

SP_TEST(api_audit, bad_policies)
{
	static const struct {
		const char *text, *like;
	} rows[] = {
		{"", "kind Policy in version audit.k8s.io/v1 is expected"},
		{"{", "*"},
		{"{\"apiVersion\":\"audit.k8s.io/v1beta1\",\"kind\":\"Policy\"}", "kind Policy *"},
		{HEAD "\"rules\":[]}", "loaded illegal policy with 0 rules"},
		{HEAD "\"rules\":[{}]}", "rules[0].level: Required value"},
		{HEAD "\"rules\":[{\"level\":\"All\"}]}",
		 "rules[0].level: Unsupported value: \"All\": supported values: \"Metadata\", \"None\", *"},
		{HEAD "\"omitStages\":[\"x\"],\"rules\":[{\"level\":\"None\"}]}",
		 "omitStages[0]: Invalid value: \"x\": allowed stages are RequestReceived,*"},
		{HEAD "\"rules\":[{\"level\":\"None\",\"nonResourceURLs\":[\"a*b\"]}]}",
		 "*must begin with a '/'*must be the final character of the rule"},
		{HEAD "\"rules\":[{\"level\":\"None\",\"nonResourceURLs\":[\"/a\"],\"namespaces\":[\"n\"]}]}",
		 "*rules cannot apply to both*"},
		{HEAD "\"rules\":[{\"level\":\"None\",\"resources\":[{\"group\":\"a/v1\"}]}]}",
		 "*resources.group*"},
		{HEAD "\"rules\":[{\"level\":\"None\",\"resources\":[{\"resourceNames\":[\"a\"]}]}]}",
		 "*using resourceNames requires at least one resource"},
		{HEAD "\"rules\":[{\"level\":\"None\",\"verbs\":\"get\"}]}", "verbs: a list of texts*"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		api_audit_policy *p = NULL;
		t_row("%s", rows[i].text);
		T_TRUE(api_audit_policy_parse(sp_str_c(rows[i].text), &p, T_ERR) != SP_OK);
		T_TRUE(t_is_like(sp_str_c(T_ERR->msg), rows[i].like));
	}
}

SP_TEST(api_audit, which_rule)
{
	static const char text[] = HEAD
		"\"omitStages\":[\"RequestReceived\"],\"omitManagedFields\":true,\"rules\":["
		"{\"level\":\"None\",\"users\":[\"quiet\"]},"
		"{\"level\":\"Request\",\"verbs\":[\"create\"],\"resources\":[{\"group\":\"\",\"resources\":["
		"\"pods\"]}]},"
		"{\"level\":\"RequestResponse\",\"omitManagedFields\":false,\"resources\":[{\"group\":\"\","
		"\"resources\":[\"*/"
		"scale\",\"nodes/*\"]}]},"
		"{\"level\":\"Metadata\",\"resources\":[{\"group\":\"apps\",\"resources\":[\"deployments\"],"
		"\"resourceNames\":[\"a\"]}]},"
		"{\"level\":\"None\",\"nonResourceURLs\":[\"/healthz*\",\"/version\"]},"
		"{\"level\":\"Metadata\",\"userGroups\":[\"g\"],\"namespaces\":[\"\"]},"
		"{\"level\":\"RequestResponse\",\"resources\":[{\"group\":\"*\"}],\"namespaces\":[\"n\"]}]}";
	static const struct {
		const char *user, *verb, *path, *query;
		uint8_t level;
	} rows[] = {
		{"quiet", "POST", "/api/v1/namespaces/n/pods", "", API_AUDIT_NONE},
		{"u", "POST", "/api/v1/namespaces/n/pods", "", API_AUDIT_REQUEST},
		{"u", "POST", "/api/v1/namespaces/m/pods/x/eviction", "", API_AUDIT_NONE},
		{"u", "GET", "/api/v1/nodes/x/status", "", API_AUDIT_REQUEST_RESPONSE},
		{"u", "GET", "/api/v1/nodes/x", "", API_AUDIT_REQUEST_RESPONSE},
		{"u", "GET", "/api/v1/persistentvolumes/x", "", API_AUDIT_METADATA},
		{"u", "GET", "/api/v1/namespaces/m/replicationcontrollers/x/scale", "",
		 API_AUDIT_REQUEST_RESPONSE},
		{"u", "GET", "/apis/apps/v1/namespaces/m/deployments/a", "", API_AUDIT_METADATA},
		{"u", "GET", "/apis/apps/v1/namespaces/m/deployments/b", "", API_AUDIT_NONE},
		{"u", "GET", "/healthz/ping", "", API_AUDIT_NONE},
		{"u", "GET", "/apis/apps/v1/namespaces/n/deployments/b", "", API_AUDIT_REQUEST_RESPONSE},
	};
	static const sp_str groups[] = {SP_STR_INIT("g")};
	api_audit_policy *p = policy_of(text);
	sp_url_query query = {0};
	if (p == NULL)
		return;
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		api_reqinfo info;
		const api_user u = {.name = sp_str_c(rows[i].user), .groups = groups, .n_groups = 1};
		t_row("%zu", i);
		T_TRUE(api_reqinfo_parse(T_ARENA, sp_str_c(rows[i].verb), sp_str_c(rows[i].path), &query,
					 &info, T_ERR) == SP_OK);
		api_audit_config c = api_audit_policy_find(p, &u, &info);
		T_EQ_U64(c.level, rows[i].level);
		T_EQ_U64(c.omit_stages, 1u << API_AUDIT_RECEIVED);
	}
}

/* ---- events ---- */

typedef struct ear {
	sp_buf lines;
	bool deaf;
} ear;

static bool hear(void *arg, sp_str line)
{
	ear *e = arg;
	return !e->deaf && sp_buf_str(&e->lines, line) == SP_OK;
}

static void ear_done(void *arg)
{
	sp_buf_done(&((ear *)arg)->lines);
}

static t_asker *open_audited(const char *policy, ear **ret)
{
	ear *e = sp_new(T_ARENA, ear, 1);
	api_audit_policy *p = policy_of(policy);
	sp_buf_init(&e->lines, (size_t)16 << 20);
	t_defer(ear_done, e);
	t_asker *f = p == NULL ? NULL : t_asker_open();
	*ret = e;
	if (f == NULL)
		return NULL;
	f->api.audit = (api_audit_opts){p, {hear, e}};
	return t_api_restart(&f->api, SECOND) ? f : NULL;
}

static void settle(t_asker *f)
{
	sp_sim_run_until(f->api.sim, sp_sim_now_ns(f->api.sim) + SECOND);
}

/* The lines so far are like these, one a pattern. */
static void heard(t_asker *f, ear *e, const char *const *patterns, size_t n)
{
	settle(f);
	sp_str rest = sp_buf_view(&e->lines), line;
	for (size_t i = 0; i < n; i++) {
		t_row("%zu: " SP_FMT, i, SP_ARG(rest));
		T_TRUE(sp_str_cut(&rest, '\n', &line));
		T_TRUE(t_is_like(line, patterns[i]));
	}
	T_EQ_U64(rest.len, 0);
	sp_buf_clear(&e->lines);
}

SP_TEST(api_audit, events_of_a_create)
{
	static const char *const create[] = {
		"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/"
		"v1\",\"level\":\"RequestResponse\",\"auditID\":\"*-*\","
		"\"stage\":\"RequestReceived\",\"requestURI\":\"" MAPS
		"?fieldManager=x\",\"verb\":\"create\",\"user\":{"
		"\"username\":\"system:anonymous\",\"groups\":[\"system:unauthenticated\"]},\"sourceIPs\":["
		"\"*\"],"
		"\"objectRef\":{\"resource\":\"configmaps\",\"namespace\":\"default\",\"apiVersion\":\"v1\"},"
		"\"requestReceivedTimestamp\":\"*-*T*:*.*Z\",\"stageTimestamp\":\"*Z\"}",
		"*\"stage\":\"ResponseComplete\",*\"objectRef\":{\"resource\":\"configmaps\",\"namespace\":"
		"\"default\","
		"\"name\":\"a\",\"apiVersion\":\"v1\"},\"responseStatus\":{\"metadata\":{},\"code\":201},"
		"\"requestObject\":{*\"name\":\"a\"*},\"responseObject\":{\"kind\":\"ConfigMap\",*\"uid\":*},"
		"\"requestReceivedTimestamp\":*\"annotations\":{\"authorization.k8s.io/decision\":\"allow\","
		"\"authorization.k8s.io/reason\":\"\"}}",
	};
	ear *e;
	t_asker *f = open_audited(
		HEAD "\"omitManagedFields\":true,\"rules\":[{\"level\":\"RequestResponse\"}]}", &e);
	const t_req q = {.method = "POST",
			 .path = MAPS "?fieldManager=x",
			 .body = SP_STR("{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}")};
	if (f == NULL)
		return;
	t_ask_one(f, &q, 201, "*managedFields*");
	settle(f);
	T_TRUE(sp_str_find(sp_buf_view(&e->lines), SP_STR("managedFields")) < 0);
	T_TRUE(sp_str_find(sp_buf_view(&e->lines), sp_str_c(f->call.audit_id)) > 0);
	heard(f, e, create, SP_LEN(create));
	static const char *const again[] = {"*\"RequestReceived\"*",
					    "*\"responseStatus\":{\"metadata\":{},\"status\":\"Failure\","
					    "\"message\":\"configmaps \\\"a\\\" already "
					    "exists\",\"reason\":\"AlreadyExists\",\"details\":{\"name\":"
					    "\"a\",\"kind\":\"configmaps\"},\"code\":409},*"
					    "\"responseObject\":{\"kind\":\"Status\",*"};
	t_ask_one(f, &q, 409, NULL);
	heard(f, e, again, SP_LEN(again));
}

SP_TEST(api_audit, levels_and_stages)
{
	static const char *const lines[] = {
		"*\"level\":\"Metadata\",*\"ResponseComplete\",*\"verb\":\"get\",*\"responseStatus\":{"
		"\"metadata\":{},"
		"\"code\":200},\"requestReceivedTimestamp\"*",
		"*\"level\":\"Request\",*\"stage\":\"ResponseStarted\",*\"verb\":\"watch\",*\"code\":200}*",
		"*\"level\":\"Request\",*\"stage\":\"ResponseComplete\",*\"verb\":\"watch\",*",
		"*\"level\":\"Request\",*\"verb\":\"patch\",*\"requestObject\":{\"data\":{\"a\":\"b\"}},"
		"\"requestReceivedTimestamp\"*",
		"*\"level\":\"Request\",*\"verb\":\"list\",*\"user\":{\"username\":\"system:anonymous\",*"
		"\"impersonatedUser\":{"
		"\"username\":\"u\",\"groups\":[\"system:authenticated\"]},*",
	};
	ear *e;
	t_asker *f =
		open_audited(HEAD "\"omitStages\":[\"RequestReceived\"],\"rules\":[{\"level\":\"None\","
				  "\"verbs\":[\"create\"]},{"
				  "\"level\":\"Metadata\",\"verbs\":[\"get\"]},{\"level\":\"Request\"}]}",
			     &e);
	if (f == NULL)
		return;
	t_ask_one(f,
		  &(t_req){.method = "POST", .path = MAPS, .body = SP_STR("{\"metadata\":{\"name\":\"a\"}}")},
		  201, NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS "/a"}, 200, NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS "?watch=1&timeoutSeconds=1"}, 200, NULL);
	t_ask_one(f,
		  &(t_req){.method = "PATCH",
			   .path = MAPS "/a",
			   .type = "application/merge-patch+json",
			   .body = SP_STR("{ \"data\": {\"a\": \"b\"} }")},
		  200, NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS, .user = "u"}, 200, NULL);
	heard(f, e, lines, SP_LEN(lines));
}

/* A log that takes nothing changes no answer. */
SP_TEST(api_audit, a_deaf_log)
{
	ear *e;
	t_asker *f = open_audited(HEAD "\"rules\":[{\"level\":\"RequestResponse\"}]}", &e);
	if (f == NULL)
		return;
	e->deaf = true;
	t_ask_one(f,
		  &(t_req){.method = "POST", .path = MAPS, .body = SP_STR("{\"metadata\":{\"name\":\"a\"}}")},
		  201, NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS}, 200, NULL);
}

#define POLICIES "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
#define BINDINGS "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"

SP_TEST(api_audit, what_policies_note)
{
	static const char *const lines[] = {
		"*\"annotations\":{\"authorization.k8s.io/decision\":\"allow\",*,\"p/size\":\"has "
		"1\",\"validation.policy.admission.k8s.io/"
		"validation_failure\":\"[{\\\"message\\\":\\\"failed expression: "
		"false\\\",\\\"policy\\\":\\\"p\\\",\\\"binding\\\":\\\"b\\\",\\\"expressionIndex\\\":0,"
		"\\\"validationActions\\\":[\\\"Audit\\\"]}]\"}}"};
	ear *e;
	t_asker *f = open_audited(HEAD "\"omitStages\":[\"RequestReceived\"],\"rules\":[{\"level\":"
				       "\"Metadata\",\"verbs\":[\"create\"],"
				       "\"resources\":[{\"group\":\"\"}]}]}",
				  &e);
	if (f == NULL)
		return;
	t_ask_one(
		f,
		&(t_req){.method = "POST",
			 .path = POLICIES,
			 .body = SP_STR("{\"metadata\":{\"name\":\"p\"},\"spec\":{\"matchConstraints\":{"
					"\"resourceRules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],"
					"\"operations\":[\"CREATE\"],\"resources\":[\"configmaps\"]}]},"
					"\"validations\":[{\"expression\":\"false\"}],\"auditAnnotations\":[{"
					"\"key\":\"size\",\"valueExpression\":\"'has ' + "
					"string(size(object.data))\"}]}}")},
		201, NULL);
	t_ask_one(f,
		  &(t_req){.method = "POST",
			   .path = BINDINGS,
			   .body = SP_STR("{\"metadata\":{\"name\":\"b\"},\"spec\":{\"policyName\":\"p\","
					  "\"validationActions\":[\"Audit\"]}}")},
		  201, NULL);
	t_ask_one(f,
		  &(t_req){.method = "POST",
			   .path = MAPS,
			   .body = SP_STR("{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}")},
		  201, NULL);
	heard(f, e, lines, SP_LEN(lines));
}

/* ---- the log ---- */

typedef struct rig {
	sp_sim *sim;
	sp_world *world;
	api_audit_log *log;
	size_t n_errors;
	bool closed;
} rig;

static void on_closed(void *arg)
{
	((rig *)arg)->closed = true;
}

static bool is_closed(void *arg)
{
	return ((rig *)arg)->closed;
}

static void on_error(void *arg, const sp_err *err)
{
	(void)err;
	((rig *)arg)->n_errors++;
}

static void rig_done(void *arg)
{
	rig *g = arg;
	if (g->log != NULL && !g->closed) {
		api_audit_log_close(g->log, on_closed, g);
		(void)sp_sim_run(g->sim, is_closed, g, sp_sim_now_ns(g->sim) + 60 * SECOND);
	}
	sp_sim_free(g->sim);
}

static sp_code refuse_all(sp_str bytes, sp_err *err)
{
	(void)bytes;
	return sp_fail(err, SP_EIO, "no");
}

static rig *open_rig(uint64_t max_bytes, uint32_t n_backups, bool broken)
{
	rig *g = sp_new(T_ARENA, rig, 1);
	g->sim = sp_sim_new(&(sp_sim_opts){.seed = 1});
	t_defer(rig_done, g);
	g->world = sp_sim_world(sp_sim_host_new(g->sim, "server", NULL, NULL));
	const api_audit_log_opts o = {.path = SP_STR("/log/audit.log"),
				      .out = broken ? refuse_all : NULL,
				      .max_bytes = max_bytes,
				      .n_backups = n_backups,
				      .on_error = on_error,
				      .arg = g};
	if (sp_dir_make(g->world, SP_STR("/log"), 0700, T_ERR) != SP_OK ||
	    api_audit_log_open(g->world, &o, &g->log, T_ERR) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "%s", T_ERR->msg);
		return NULL;
	}
	return g;
}

static void write_lines(rig *g, unsigned n)
{
	api_audit_sink sink = api_audit_log_sink(g->log);
	for (unsigned i = 0; i < n; i++) {
		T_TRUE(sink.write(sink.arg, SP_STR("0123456789\n")));
		sp_sim_run_until(g->sim, sp_sim_now_ns(g->sim) + SECOND);
	}
}

SP_TEST(api_audit, files_are_changed)
{
	sp_dir_entry *entries;
	size_t n;
	rig *g = open_rig(25, 2, false);
	if (g == NULL)
		return;
	write_lines(g, 12);
	T_TRUE(sp_dir_list(g->world, SP_STR("/log"), T_ARENA, &entries, &n, T_ERR) == SP_OK);
	T_EQ_U64(n, 3);
	for (size_t i = 0; i < n; i++) {
		sp_str text, path = sp_arena_printf(T_ARENA, "/log/" SP_FMT, SP_ARG(entries[i].name));
		T_TRUE(sp_file_read_arena(g->world, path, T_ARENA, 1000, &text, T_ERR) == SP_OK);
		T_EQ_U64(text.len, 22);
		T_TRUE(t_is_like(entries[i].name, i < 2 ? "audit-*T*.*.log" : "audit.log"));
	}
	T_EQ_U64(g->n_errors, 0);
}

SP_TEST(api_audit, a_broken_disk)
{
	rig *g = open_rig(0, 0, true);
	if (g == NULL)
		return;
	write_lines(g, 3);
	T_EQ_U64(g->n_errors, 3);
}

SP_TEST(api_audit, too_much_at_once)
{
	static char big[1 << 20];
	size_t n_taken = 0;
	rig *g = open_rig(0, 0, false);
	if (g == NULL)
		return;
	api_audit_sink sink = api_audit_log_sink(g->log);
	memset(big, 'x', sizeof big);
	for (unsigned i = 0; i < 40; i++)
		n_taken += sink.write(sink.arg, (sp_str){big, sizeof big});
	T_TRUE(n_taken >= 16 && n_taken < 40);
	api_audit_log_close(g->log, on_closed, g);
	T_TRUE(sp_sim_run(g->sim, is_closed, g, sp_sim_now_ns(g->sim) + 60 * SECOND));
	sp_stat st;
	T_TRUE(sp_path_stat(g->world, SP_STR("/log/audit.log"), &st, T_ERR) == SP_OK);
	T_EQ_U64(st.size, n_taken * sizeof big);
}
