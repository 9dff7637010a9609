/* SPDX-License-Identifier: Apache-2.0 */
/* Environments, fields, amounts and names of pods, as kubelet makes them. */
#include "lib/node_text.h"
#include "lib/t.h"
#include "node/backoff.h"
#include "node/dns.h"
#include "node/env.h"
#include "node/probe.h"
#include "node/resources.h"
#include "node/security.h"

static const char *const pod_json =
	"{\"metadata\":{\"name\":\"web-0\",\"namespace\":\"shop\",\"uid\":\"u-1\",\"labels\":{\"b\":\"2\\n\","
	"\"a\":\"1\"},"
	"\"annotations\":{\"x.io/"
	"y\":\"z\"}},\"spec\":{\"nodeName\":\"n1\",\"serviceAccountName\":\"sa\",\"subdomain\":\"db\","
	"\"hostAliases\":[{\"ip\":\"10.0.0.9\",\"hostnames\":[\"one\",\"two\"]}],"
	"\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":\"1500m\"},"
	"\"requests\":{\"memory\":\"1Gi\"}},"
	"\"envFrom\":[{\"prefix\":\"P_\",\"configMapRef\":{\"name\":\"cm\"}},{\"secretRef\":{\"name\":"
	"\"gone\",\"optional\":true}}],"
	"\"env\":[{\"name\":\"A\",\"value\":\"$(P_k)-$$(P_k)-$(NOPE)-$\"},"
	"{\"name\":\"B\",\"value\":\"$(A)!\"},"
	"{\"name\":\"IP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}},"
	"{\"name\":\"L\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels['a']\"}}},"
	"{\"name\":\"CPU\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}},"
	"{\"name\":\"MEM\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.memory\",\"divisor\":"
	"\"1Mi\"}}},"
	"{\"name\":\"S\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"sec\",\"key\":\"pw\"}}},"
	"{\"name\":\"O\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"none\",\"optional\":"
	"true}}},"
	"{\"name\":\"H\",\"value\":\"$(WEB_SVC_SERVICE_HOST)\"}]}]}}";

static node_pod *parse(const char *json)
{
	node_pod *p = NULL;
	if (node_pod_parse(sp_str_c(json), &p, T_ERR) == SP_OK)
		T_DEFER(node_pod_free, p);
	return p;
}

static sp_str get_object(void *arg, node_ref_kind kind, sp_str ns, sp_str name)
{
	(void)arg, (void)ns;
	if (kind == NODE_REF_CONFIG_MAP && sp_str_eq(name, SP_STR("cm")))
		return SP_STR("{\"data\":{\"k\":\"v\"}}");
	if (kind == NODE_REF_SECRET && sp_str_eq(name, SP_STR("sec")))
		return SP_STR("{\"data\":{\"pw\":\"czNjcmV0\"}}");
	return (sp_str){NULL, 0};
}

static const sp_str ips[] = {SP_STR_INIT("10.1.0.5"), SP_STR_INIT("fd00::5")};

static node_field_source source(const node_pod *p)
{
	return (node_field_source){.pod = p,
				   .pod_ips = ips,
				   .n_pod_ips = 2,
				   .memory_bytes = INT64_C(4) << 30,
				   .cpu_milli = 2000};
}

SP_TEST(node_env, users_of_its_own_are_refused)
{
	static const struct {
		const char *json;
		sp_code code;
	} rows[] = {
		{"{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\",\"uid\":\"c\"},\"spec\":{\"hostUsers\":"
		 "false,"
		 "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
		 SP_EINVAL},
		{"{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\",\"uid\":\"c\"},\"spec\":{\"hostUsers\":"
		 "true,"
		 "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
		 SP_OK},
		{"{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\",\"uid\":\"c\"},\"spec\":{"
		 "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
		 SP_OK},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_cri_linux_sandbox_security_context *s;
		t_row("%zu", i);
		node_pod *p = parse(rows[i].json);
		T_TRUE(p != NULL);
		T_CODE(node_sandbox_security(p, T_ARENA, &s, T_ERR), rows[i].code);
	}
}

SP_TEST(node_env, container)
{
	node_pod *p = parse(pod_json);
	T_TRUE(p != NULL);
	node_env services = {0}, e;
	node_objects objects = {.get = get_object};
	node_field_source from = source(p);
	yyjson_val *svc;
	T_OK(sp_json_parse(T_ARENA,
			   SP_STR("{\"metadata\":{\"name\":\"web-svc\"},\"spec\":{\"clusterIP\":\"10.96.0."
				  "7\",\"ports\":["
				  "{\"name\":\"http\",\"port\":80},{\"name\":\"dns\",\"port\":53,"
				  "\"protocol\":\"UDP\"}]}}"),
			   &svc, T_ERR));
	T_OK(node_env_add_service(&services, T_ARENA, svc, T_ERR));
	T_OK(node_env_make(&from, node_pod_regular(p, 0), &objects, NULL, &services, T_ARENA, &e, T_ERR));
	static const struct {
		const char *name, *value;
	} want[] = {
		{"P_k", "v"},
		{"A", "v-$(P_k)-$(NOPE)-$"},
		{"B", "v-$(P_k)-$(NOPE)-$!"},
		{"IP", "10.1.0.5"},
		{"L", "1"},
		{"CPU", "2"},
		{"MEM", "4096"},
		{"S", "s3cret"},
		{"H", "10.96.0.7"},
		{"WEB_SVC_SERVICE_PORT", "80"},
		{"WEB_SVC_SERVICE_PORT_DNS", "53"},
		{"WEB_SVC_PORT", "tcp://10.96.0.7:80"},
		{"WEB_SVC_PORT_53_UDP", "udp://10.96.0.7:53"},
		{"WEB_SVC_PORT_53_UDP_PROTO", "udp"},
		{"WEB_SVC_PORT_80_TCP_ADDR", "10.96.0.7"},
	};
	for (size_t i = 0; i < SP_LEN(want); i++) {
		t_row("%s", want[i].name);
		T_EQ_C(node_env_get(&e, sp_str_c(want[i].name)), want[i].value);
	}
	T_TRUE(node_env_get(&e, SP_STR("O")).ptr == NULL);
}

SP_TEST(node_env, missing)
{
	static const struct {
		const char *env, *want;
	} rows[] = {
		{"{\"secretKeyRef\":{\"name\":\"none\",\"key\":\"k\"}}", "secret \"none\" not found"},
		{"{\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"x\"}}",
		 "couldn't find key x in ConfigMap ns/cm"},
		{"{\"secretKeyRef\":{\"name\":\"sec\",\"key\":\"x\"}}",
		 "couldn't find key x in Secret ns/sec"},
		{"{\"fieldRef\":{\"fieldPath\":\"spec.nope\"}}", "unsupported fieldPath: spec.nope"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_env e;
		node_objects objects = {.get = get_object};
		sp_err err = {0};
		sp_str json =
			sp_arena_printf(T_ARENA,
					"{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},"
					"\"spec\":{\"containers\":[{"
					"\"name\":\"c\",\"env\":[{\"name\":\"V\",\"valueFrom\":%s}]}]}}",
					rows[i].env);
		T_TRUE(json.ptr != NULL);
		node_pod *p = parse(json.ptr);
		T_TRUE(p != NULL);
		node_field_source from = source(p);
		T_TRUE(node_env_make(&from, node_pod_regular(p, 0), &objects, NULL, NULL, T_ARENA, &e,
				     &err) != SP_OK);
		T_EQ_C(sp_str_c(err.msg), rows[i].want);
	}
}

/* What a shell makes of such files, and kubelet's parser of them. U: pkg/kubelet/util/env/env_util_test.go.
 */
SP_TEST(node_env, file_values)
{
	static const struct {
		const char *text, *key, *want; /* want NULL: an error, in `why` */
		const char *why;
	} rows[] = {
		{"   K1='a'\n\t\tK2='b'\nK3='c'\n", "K2", "b", NULL},
		{"# one\n\n   # two\nK='v'", "K", "v", NULL},
		{"K='v'\r\nL='w'\r\n", "L", "w", NULL},
		{"K='v'\n", "none", "", NULL},
		{"", "K", "", NULL},
		{"K=''\n", "K", "", NULL},
		{"K= 'v'\n", "K", "", NULL},
		{"K=\t'v'\nL='w'\n", "L", "w", NULL},
		{"K='  a b  '\n", "K", "  a b  ", NULL},
		{"K='a=b#c$D${E}\\n'  # end\n", "K", "a=b#c$D${E}\\n", NULL},
		{"K='one\n # two\r\n\nthree'\nL='w'", "K", "one\n # two\n\nthree", NULL},
		{"K='one\ntwo'\nL='w'", "L", "w", NULL},
		{"K='v'\nK='w'\n", "K", "v", NULL},
		{"K='v'\nnonsense\n", "K", "v", NULL}, /* what follows is not looked at */
		{"K='v'\nnonsense\n", "L", NULL,
		 "invalid environment variable format at line 2: missing '='"},
		{"='v'\n", "K", NULL, "invalid environment variable format at line 1: empty variable name"},
		{"\n#\n ='v'\n", "K", NULL,
		 "invalid environment variable format at line 3: empty variable name"},
		{"K ='v'\n", "K", NULL,
		 "invalid environment variable format at line 1: whitespace before '=' is not allowed"},
		{"K=v\n", "K", NULL,
		 "invalid environment variable format at line 1: value must be enclosed in single quotes"},
		{"K=", "K", NULL,
		 "invalid environment variable format at line 1: value must be enclosed in single quotes"},
		{"K=\"v\"\n", "K", NULL,
		 "invalid environment variable format at line 1: value must be enclosed in single quotes"},
		{"K='a''b'", "K", NULL,
		 "invalid environment variable format at line 1: unexpected content after closing quote"},
		{"K='a\nb' c", "K", NULL,
		 "invalid environment variable format at line 2: unexpected content after closing quote"},
		{"\nK='a\nb\n", "K", NULL,
		 "invalid environment variable format starting at line 2: unclosed single quote"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str value = {NULL, 0};
		sp_err err = {0};
		t_row("%zu", i);
		sp_code code = node_env_file_value(sp_str_c(rows[i].text), sp_str_c(rows[i].key), T_ARENA,
						   &value, &err);
		T_TRUE(code == (rows[i].want == NULL ? SP_EINVAL : SP_OK));
		if (rows[i].want == NULL)
			T_EQ_C(sp_str_c(err.msg), rows[i].why);
		else
			T_EQ_C(value, rows[i].want);
	}
}

/* A line of 65535 bytes is one, a longer one is an error wherever it has to be read. */
SP_TEST(node_env, file_line_lengths)
{
	static const struct {
		size_t n;
		const char *key;
		sp_code code;
	} rows[] = {{NODE_ENV_FILE_LINE_MAX, "L", SP_OK},
		    {NODE_ENV_FILE_LINE_MAX + 1, "L", SP_EINVAL},
		    {NODE_ENV_FILE_LINE_MAX + 1, "F", SP_OK}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF text;
		sp_str value;
		sp_buf_init(&text, (size_t)1 << 20);
		(void)sp_buf_str(&text, SP_STR("F='f'\nK='"));
		for (size_t k = 4; k < rows[i].n; k++)
			(void)sp_buf_char(&text, 'x');
		(void)sp_buf_str(&text, SP_STR("'\nL='v'"));
		T_OK(sp_buf_code(&text));
		t_row("%zu", i);
		T_CODE(node_env_file_value(sp_buf_view(&text), sp_str_c(rows[i].key), T_ARENA, &value, NULL),
		       rows[i].code);
	}
}

/* fileKeyRef: words and order are kubelet's. */
SP_TEST(node_env, file_refs)
{
	static const struct {
		const char *ref, *want, *error; /* want "-": it is not defined */
	} rows[] = {
		{"\"volumeName\":\"v\",\"path\":\"a/env\",\"key\":\"K\"", "val", NULL},
		{"\"volumeName\":\"v\",\"path\":\"a/env\",\"key\":\"N\",\"optional\":true", "-", NULL},
		{"\"volumeName\":\"v\",\"path\":\"a/env\",\"key\":\"N\"", NULL,
		 "environment variable key \"N\" not found in file \"/vols/v/a/env\""},
		{"\"volumeName\":\"v\",\"path\":\"gone\",\"key\":\"K\",\"optional\":true", NULL,
		 "couldn't parse env file"},
		{"\"volumeName\":\"v\",\"path\":\"bad\",\"key\":\"K\"", NULL, "couldn't parse env file"},
		{"\"volumeName\":\"idle\",\"path\":\"a/env\",\"key\":\"K\",\"optional\":true", NULL,
		 "cannot find the volume \"idle\" referenced by FileKeyRef"},
		{"\"volumeName\":\"none\",\"path\":\"a/env\",\"key\":\"K\"", NULL,
		 "cannot find the volume \"none\" referenced by FileKeyRef"},
	};
	node_volume at[] = {{.name = SP_STR_INIT("v"), .dir = SP_STR_INIT("/vols/v")},
			    {.name = SP_STR_INIT("idle"), .dir = SP_STR_INIT("/vols/idle")}};
	const node_volumes volumes = {.at = at, .n = SP_LEN(at)};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_env e;
		node_env_files files;
		node_objects objects = {.get = get_object};
		sp_err err = {0};
		sp_str json = sp_arena_printf(
			T_ARENA,
			"{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{"
			"\"initContainers\":[{\"name\":\"i\",\"volumeMounts\":[{\"name\":\"v\"}]}],"
			"\"containers\":[{\"name\":\"c\",\"env\":[{\"name\":\"V\",\"valueFrom\":{"
			"\"fileKeyRef\":{%s}}},{\"name\":\"W\",\"value\":\"<$(V)>\"}]}]}}",
			rows[i].ref);
		t_row("%zu", i);
		T_TRUE(json.ptr != NULL);
		node_pod *p = parse(json.ptr);
		T_TRUE(p != NULL);
		node_field_source from = source(p);
		const node_container *c = node_pod_regular(p, 0);
		T_OK(node_env_files_of(p, c, &volumes, T_ARENA, &files, T_ERR));
		T_EQ_U64(files.n, 1);
		if (sp_str_eq(files.at[0].path, SP_STR("a/env"))) {
			files.at[0].code = SP_OK;
			files.at[0].text = SP_STR("A='b'\nK='val'\n");
		} else if (sp_str_eq(files.at[0].path, SP_STR("bad"))) {
			files.at[0].code = SP_OK;
			files.at[0].text = SP_STR("what");
		}
		sp_code code = node_env_make(&from, c, &objects, &files, NULL, T_ARENA, &e, &err);
		T_EQ_C(sp_str_c(err.msg), rows[i].error == NULL ? "" : rows[i].error);
		T_TRUE((code == SP_OK) == (rows[i].error == NULL));
		if (rows[i].error != NULL)
			continue;
		bool defined = strcmp(rows[i].want, "-") != 0;
		T_EQ_C(node_env_get(&e, SP_STR("V")), defined ? rows[i].want : "");
		T_TRUE((node_env_get(&e, SP_STR("V")).ptr != NULL) == defined);
		T_EQ_C(node_env_get(&e, SP_STR("W")), defined ? "<val>" : "<$(V)>");
	}
}

SP_TEST(node_env, fields)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{"metadata.name", "web-0"},
		{"metadata.namespace", "shop"},
		{"metadata.uid", "u-1"},
		{"spec.nodeName", "n1"},
		{"spec.serviceAccountName", "sa"},
		{"status.podIPs", "10.1.0.5,fd00::5"},
		{"metadata.annotations['x.io/y']", "z"},
		{"metadata.labels", "a=\"1\"\nb=\"2\\n\""},
		{"metadata.labels['none']", ""},
	};
	node_pod *p = parse(pod_json);
	T_TRUE(p != NULL);
	node_field_source from = source(p);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str value;
		t_row("%s", rows[i].path);
		T_OK(node_field(&from, sp_str_c(rows[i].path), T_ARENA, &value, T_ERR));
		T_EQ_C(value, rows[i].want);
	}
}

/* ---- names ---- */

static sp_str join(const sp_str *at, size_t n)
{
	sp_str text = SP_STR("");
	for (size_t i = 0; i < n; i++)
		text = SP_CONCAT(T_ARENA, text, i == 0 ? SP_STR("") : SP_STR(" "), at[i]);
	return text;
}

SP_TEST(node_names, resolv)
{
	static const struct {
		const char *spec, *servers, *searches, *options;
		bool cut;
	} rows[] = {
		{"", "10.96.0.10", "shop.svc.cluster.local svc.cluster.local cluster.local corp.example",
		 "ndots:5", false},
		{"\"dnsPolicy\":\"Default\",", "192.0.2.53", "corp.example", "ndots:2 rotate", false},
		{"\"hostNetwork\":true,", "192.0.2.53", "corp.example", "ndots:2 rotate", false},
		{"\"hostNetwork\":true,\"dnsPolicy\":\"ClusterFirstWithHostNet\",", "10.96.0.10",
		 "shop.svc.cluster.local svc.cluster.local cluster.local corp.example", "ndots:5", false},
		{"\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\","
		 "\"1.1.1.4\"],"
		 "\"searches\":[\"x\"],\"options\":[{\"name\":\"ndots\",\"value\":\"1\"},{\"name\":\"edns0\"}"
		 "]},",
		 "1.1.1.1 1.1.1.2 1.1.1.3", "x", "ndots:1 edns0", true},
		{"\"dnsConfig\":{\"options\":[{\"name\":\"ndots\",\"value\":\"1\"}]},", "10.96.0.10",
		 "shop.svc.cluster.local svc.cluster.local cluster.local corp.example", "ndots:1", false},
	};
	node_resolv host;
	static const sp_str cluster[] = {SP_STR_INIT("10.96.0.10")};
	node_resolv_read(
		SP_STR("# x\nnameserver 192.0.2.53\nsearch old\nsearch corp.example\noptions ndots:2 rotate"),
		&host);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_resolv r;
		node_dns_notes notes;
		sp_str json = sp_arena_printf(
			T_ARENA,
			"{\"metadata\":{\"name\":\"p\",\"namespace\":\"shop\",\"uid\":\"u\"},\"spec\":{%s"
			"\"containers\":[{\"name\":\"c\"}]}}",
			rows[i].spec);
		T_TRUE(json.ptr != NULL);
		node_pod *p = parse(json.ptr);
		T_TRUE(p != NULL);
		node_dns_opts o = {
			.host = &host, .cluster = cluster, .n_cluster = 1, .domain = SP_STR("cluster.local")};
		t_row("%s", rows[i].spec);
		T_OK(node_dns_make(p, &o, T_ARENA, &r, &notes, T_ERR));
		T_EQ_C(join(r.servers, r.n_servers), rows[i].servers);
		T_EQ_C(join(r.searches, r.n_searches), rows[i].searches);
		T_EQ_C(join(r.options, r.n_options), rows[i].options);
		T_EQ_I64(r.cut_servers, rows[i].cut);
		T_EQ_I64(r.cut_searches, false);
		o.n_cluster = 0;
		T_OK(node_dns_make(p, &o, T_ARENA, &r, &notes, T_ERR));
		T_EQ_I64(notes.no_cluster_dns, sp_str_starts(sp_str_c(rows[i].servers), SP_STR("10.")));
	}
}

/* What is left out is known, of the host's lists, too. */
SP_TEST(node_names, resolv_limits)
{
	char name[300], spec[800];
	node_resolv host, r;
	node_dns_notes notes;
	memset(name, 'n', sizeof name);
	node_resolv_read(
		SP_STR("nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4"),
		&host);
	T_EQ_C(join(host.servers, host.n_servers), "1.1.1.1 1.1.1.2 1.1.1.3");
	T_TRUE(host.cut_servers && !host.cut_searches);
	(void)snprintf(spec, sizeof spec,
		       "{\"metadata\":{\"name\":\"p\",\"namespace\":\"shop\",\"uid\":\"u\"},\"spec\":{"
		       "\"dnsPolicy\":\"Default\",\"dnsConfig\":{\"searches\":[\"%.254s\",\"%.253s\"]},"
		       "\"containers\":[{\"name\":\"c\"}]}}",
		       name, name);
	node_pod *p = parse(spec);
	T_TRUE(p != NULL);
	T_OK(node_dns_make(p, &(node_dns_opts){.host = &host}, T_ARENA, &r, &notes, T_ERR));
	T_TRUE(r.cut_servers && r.cut_searches && r.n_searches == 1 && r.searches[0].len == 253);
}

SP_TEST(node_names, hosts)
{
	SP_AUTO_BUF out;
	sp_str name, domain;
	sp_buf_init(&out, 1 << 16);
	node_pod *p = parse(pod_json);
	T_TRUE(p != NULL);
	T_OK(node_host_name(p, SP_STR("cluster.local"), T_ARENA, &name, &domain, T_ERR));
	T_EQ_C(name, "web-0");
	T_EQ_C(domain, "db.shop.svc.cluster.local");
	T_OK(node_hosts_file(&out, p, ips, 2, name, domain));
	T_EQ_C(sp_buf_view(&out), "# Kubernetes-managed hosts file.\n"
				  "127.0.0.1\tlocalhost\n"
				  "::1\tlocalhost ip6-localhost ip6-loopback\n"
				  "fe00::0\tip6-localnet\n"
				  "fe00::0\tip6-mcastprefix\n"
				  "fe00::1\tip6-allnodes\n"
				  "fe00::2\tip6-allrouters\n"
				  "10.1.0.5\tweb-0.db.shop.svc.cluster.local\tweb-0\n"
				  "fd00::5\tweb-0.db.shop.svc.cluster.local\tweb-0\n"
				  "\n# Entries added by HostAliases.\n"
				  "10.0.0.9\tone\ttwo\n");
}

/* ---- amounts ---- */

SP_TEST(node_resources, classes)
{
	static const struct {
		const char *resources, *qos, *cgroup;
		int64_t shares, quota, memory, oom;
	} rows[] = {
		{"{}", "BestEffort", "/kp/besteffort/podu", 2, -1, 0, 1000},
		{"{\"requests\":{\"cpu\":\"100m\"}}", "Burstable", "/kp/burstable/podu", 102, -1, 0, 999},
		{"{\"limits\":{\"cpu\":\"1\",\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"1\",\"memory\":"
		 "\"64Mi\"}}",
		 "Guaranteed", "/kp/podu", 1024, 100000, 64 << 20, -997},
		{"{\"limits\":{\"cpu\":\"1\",\"memory\":\"64Mi\"}}", "Guaranteed", "/kp/podu", 1024, 100000,
		 64 << 20, -997},
		{"{\"limits\":{\"cpu\":\"2\"},\"requests\":{\"memory\":\"1Gi\"}}", "Burstable",
		 "/kp/burstable/podu", 2048, 200000, 0, 750},
		{"{\"requests\":{\"memory\":\"4Gi\"}}", "Burstable", "/kp/burstable/podu", 2, -1, 0, 3},
		{"{\"limits\":{\"cpu\":\"1m\"}}", "Burstable", "/kp/burstable/podu", 2, 1000, 0, 999},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str json = sp_arena_printf(
			T_ARENA,
			"{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{"
			"\"containers\":[{\"name\":\"c\",\"resources\":%s}]}}",
			rows[i].resources);
		T_TRUE(json.ptr != NULL);
		node_pod *p = parse(json.ptr);
		T_TRUE(p != NULL);
		node_container_limits l = node_limits_of(p, node_pod_regular(p, 0), INT64_C(4) << 30);
		t_row("%s", rows[i].resources);
		T_EQ_C(node_qos_text(node_qos_of(p)), rows[i].qos);
		T_EQ_C(node_pod_cgroup(T_ARENA, SP_STR("kp"), p, false), rows[i].cgroup);
		T_EQ_I64(l.cpu_shares, rows[i].shares);
		T_EQ_I64(l.cpu_quota_us, rows[i].quota);
		T_EQ_I64(l.memory_bytes, rows[i].memory);
		T_EQ_I64(l.oom_score_adj, rows[i].oom);
	}
}

/* Resources of the pod itself: class, cgroup, what containers without limits get, the killing order. */
SP_TEST(node_resources, of_the_pod_itself)
{
	static const struct {
		const char *pod, *container, *qos;
		int64_t shares, quota, memory, oom;                   /* of the container */
		int64_t pod_shares, pod_quota, pod_memory, requested; /* of the pod */
	} rows[] = {
		{"{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"2\",\"memory\":"
		 "\"1Gi\"}}",
		 "{}", "Guaranteed", 2048, 200000, 1 << 30, -997, 2048, 200000, 1 << 30, 1 << 30},
		{"{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}", "{}", "Burstable", 2, -1, 0, 875, 1024,
		 -1, 0, 1 << 30},
		/* The rest of what the pod asks for is shared by its two containers. */
		{"{\"requests\":{\"memory\":\"1Gi\"}}", "{\"requests\":{\"memory\":\"512Mi\"}}", "Burstable",
		 2, -1, 0, 813, 2, -1, 0, 1 << 30},
		{"{\"limits\":{\"memory\":\"1Gi\"},\"requests\":{\"memory\":\"64Mi\"}}",
		 "{\"limits\":{\"memory\":\"32Mi\"}}", "Burstable", 2, -1, 32 << 20, 993, 2, -1, 1 << 30,
		 64 << 20},
		{"{}", "{\"requests\":{\"memory\":\"512Mi\"}}", "Burstable", 2, -1, 0, 875, 2, -1, 0,
		 512 << 20},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str json = sp_arena_printf(
			T_ARENA,
			"{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":{\"resources\":%s,"
			"\"containers\":[{\"name\":\"c\",\"resources\":%s},{\"name\":\"d\"}]}}",
			rows[i].pod, rows[i].container);
		T_TRUE(json.ptr != NULL);
		node_pod *p = parse(json.ptr);
		T_TRUE(p != NULL);
		node_container_limits l = node_limits_of(p, node_pod_regular(p, 0), INT64_C(4) << 30);
		node_pod_limits all = node_pod_limits_of(p);
		t_row("%zu", i);
		T_EQ_C(node_qos_text(node_qos_of(p)), rows[i].qos);
		T_EQ_I64(l.cpu_shares, rows[i].shares);
		T_EQ_I64(l.cpu_quota_us, rows[i].quota);
		T_EQ_I64(l.memory_bytes, rows[i].memory);
		T_EQ_I64(l.oom_score_adj, rows[i].oom);
		T_EQ_I64(all.cpu_shares, rows[i].pod_shares);
		T_EQ_I64(all.cpu_quota_us, rows[i].pod_quota);
		T_EQ_I64(all.memory_bytes, rows[i].pod_memory);
		T_EQ_I64(node_pod_request(p, SP_STR("memory")), rows[i].requested);
	}
}

SP_TEST(node_resources, sandbox)
{
	const node_pod *p =
		parse("{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":{\"overhead\":{\"cpu\":\"250m\","
		      "\"memory\":\"10Mi\"},\"containers\":[{\"name\":\"a\",\"resources\":{\"limits\":{"
		      "\"cpu\":\"1\","
		      "\"memory\":\"20Mi\"},\"requests\":{\"cpu\":\"500m\"}}},{\"name\":\"b\"}]}}");
	T_TRUE(p != NULL);
	node_pod_limits own = node_sandbox_limits_of(p), over = node_overhead_limits_of(p),
			all = node_pod_limits_of(p);
	T_EQ_I64(own.cpu_shares, 512);
	T_EQ_I64(own.cpu_quota_us, 100000);
	T_EQ_I64(own.memory_bytes, INT64_C(20) << 20);
	T_EQ_I64(over.cpu_shares, 256);
	T_EQ_I64(over.cpu_quota_us, 25000);
	T_EQ_I64(over.memory_bytes, INT64_C(10) << 20);
	/* One container has no limit: nor has the pod's cgroup; what it asks for has the overhead with it. */
	T_EQ_I64(all.cpu_shares, 768);
	T_EQ_I64(all.cpu_quota_us, -1);
	T_EQ_I64(all.memory_bytes, 0);
	p = parse("{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":{\"overhead\":{\"memory\":\"10Mi\"},"
		  "\"containers\":["
		  "{\"name\":\"a\",\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"20Mi\"}}}]}}");
	T_TRUE(p != NULL);
	all = node_pod_limits_of(p);
	T_EQ_I64(all.memory_bytes, INT64_C(30) << 20);
	T_EQ_I64(all.cpu_quota_us, 100000);
}

SP_TEST(node_resources, pod)
{
	node_pod *p =
		parse("{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"a-b\"},\"spec\":{"
		      "\"overhead\":{\"cpu\":\"10m\"},"
		      "\"initContainers\":[{\"name\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"300m\"}}},"
		      "{\"name\":\"s\",\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":"
		      "\"100m\"}}},"
		      "{\"name\":\"j\",\"resources\":{\"requests\":{\"cpu\":\"500m\"}}}],"
		      "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"200m\"}}}]}}");
	T_TRUE(p != NULL);
	T_EQ_I64(node_pod_request(p, SP_STR("cpu")), 610); /* j beside s, and the overhead */
	T_EQ_I64(node_pod_limits_of(p).cpu_quota_us, -1);
	T_EQ_C(node_pod_cgroup(T_ARENA, SP_STR("kubepods"), p, true),
	       "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda_b.slice");
}

/* ---- pauses, probes ---- */

SP_TEST(node_backoff, doubles)
{
	node_backoff b = {0};
	const int64_t s = 1000000000;
	int64_t now = 1000 * s;
	static const uint64_t want[] = {10, 20, 40, 80, 160, 300, 300};
	T_EQ_U64(node_backoff_left(&b, now, now), 0);
	for (size_t i = 0; i < SP_LEN(want); i++) {
		node_backoff_next(&b, now, now);
		t_row("%zu", i);
		T_EQ_U64(node_backoff_left(&b, now, now), want[i] * (uint64_t)s);
		T_EQ_U64(node_backoff_left(&b, now, now + s), (want[i] - 1) * (uint64_t)s);
		now += (int64_t)want[i] * s;
		T_EQ_U64(node_backoff_left(&b, now - (int64_t)want[i] * s, now), 0);
	}
	/* After twice the longest without a failure it begins again. */
	now += 601 * s;
	T_EQ_U64(node_backoff_left(&b, now, now), 0);
	node_backoff_next(&b, now, now);
	T_EQ_U64(node_backoff_left(&b, now, now), 10 * (uint64_t)s);
}

SP_TEST(node_probe, thresholds)
{
	static const struct {
		node_probe_kind kind;
		uint32_t successes, failures;
		const char *results, *want; /* verdict after each */
	} rows[] = {
		{NODE_PROBE_READINESS, 1, 3, "+++---+",
		 "++++"
		 "+-+"},
		{NODE_PROBE_READINESS, 2, 1, "+-++", "---+"},
		{NODE_PROBE_LIVENESS, 1, 3, "--+---",
		 "+++"
		 "++-"},
		{NODE_PROBE_STARTUP, 1, 2, "-+", "?+"},
		{NODE_PROBE_STARTUP, 1, 2, "--", "?-"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_probe_spec spec = {.successes = rows[i].successes, .failures = rows[i].failures};
		node_probe_state s;
		node_probe_begin(&s, rows[i].kind);
		for (size_t k = 0; rows[i].results[k] != '\0'; k++) {
			t_row("%zu %s at %zu", i, rows[i].results, k);
			(void)node_probe_result(&s, &spec,
						rows[i].results[k] == '+' ? NODE_VERDICT_SUCCESS
									  : NODE_VERDICT_FAILURE);
			char now = s.verdict == NODE_VERDICT_SUCCESS   ? '+'
				   : s.verdict == NODE_VERDICT_FAILURE ? '-'
								       : '?';
			T_EQ_I64(now, rows[i].want[k]);
		}
	}
}
