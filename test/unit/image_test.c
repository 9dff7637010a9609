/* SPDX-License-Identifier: Apache-2.0 */
/* What images and registries say, read. */
#include "lib/t.h"
#include "runtime/image/challenge.h"
#include "runtime/image/hosts.h"
#include "runtime/image/manifest.h"
#include "runtime/image/reference.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

SP_TEST(image_reference, normal_form)
{
	static const struct {
		const char *text, *normal; /* NULL: refused */
	} rows[] = {
		{"busybox", "docker.io/library/busybox:latest"},
		{"busybox:1.36", "docker.io/library/busybox:1.36"},
		{"user/app", "docker.io/user/app:latest"},
		{"index.docker.io/busybox", "docker.io/library/busybox:latest"},
		{"quay.io/a/b/c:v1", "quay.io/a/b/c:v1"},
		{"localhost/app", "localhost/app:latest"},
		{"localhost:5000/app:x", "localhost:5000/app:x"},
		{"[::1]:5000/app", "[::1]:5000/app:latest"},
		{"127.0.0.1/app", "127.0.0.1/app:latest"},
		{"HOST/app", "HOST/app:latest"},
		{"a__b/c--d.e", "docker.io/a__b/c--d.e:latest"},
		{"busybox@" DIGEST, "docker.io/library/busybox@" DIGEST},
		{"busybox:1@" DIGEST, "docker.io/library/busybox@" DIGEST},
		{"", NULL},
		{"Busybox", NULL},
		{"a/B", NULL},
		{"-a", NULL},
		{"a-", NULL},
		{"a___b", NULL},
		{"a..b", NULL},
		{"a//b", NULL},
		{"a/", NULL},
		{"/a", NULL},
		{"a:", NULL},
		{"a:b:c", NULL},
		{"a:-x", NULL},
		{"a@sha256:12", NULL},
		{"a@md5:" HEX, NULL},
		{"host:port/a", NULL},
		{"host:/a", NULL},
		{"a b", NULL},
		{"https://host.x/a", NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		image_reference r;
		t_row("%s", rows[i].text);
		sp_code code = image_reference_parse(T_ARENA, sp_str_c(rows[i].text), &r, T_ERR);
		if (rows[i].normal == NULL) {
			T_CODE(code, SP_EINVAL);
			continue;
		}
		T_OK(code);
		T_EQ_C(image_reference_print(T_ARENA, &r), rows[i].normal);
	}
}

SP_TEST(image_reference, length_has_a_limit)
{
	char text[400];
	image_reference r;
	memset(text, 'a', 300);
	text[300] = '\0';
	T_CODE(image_reference_parse(T_ARENA, sp_str_c(text), &r, T_ERR), SP_EINVAL);
	text[200] = ':';
	text[200 + 129] = '\0';
	memset(text + 201, 'a', 128);
	T_OK(image_reference_parse(T_ARENA, sp_str_c(text), &r, T_ERR));
}

/* ---- documents ---- */

#define LAYER "{\"mediaType\":\"" IMAGE_TYPE_OCI_LAYER "+gzip\",\"digest\":\"" DIGEST "\",\"size\":7}"
#define CONFIG "{\"mediaType\":\"" IMAGE_TYPE_OCI_CONFIG "\",\"digest\":\"" DIGEST "\",\"size\":9}"
#define MANIFEST "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "]}"

SP_TEST(image_manifest, documents)
{
	static const struct {
		const char *text, *type;
		sp_code code;
	} rows[] = {
		{MANIFEST, "", SP_OK},
		{MANIFEST, IMAGE_TYPE_OCI_MANIFEST, SP_OK},
		{MANIFEST, IMAGE_TYPE_DOCKER_MANIFEST "; charset=utf-8", SP_OK},
		{MANIFEST, "text/plain", SP_OK},
		{MANIFEST, IMAGE_TYPE_OCI_INDEX, SP_EPROTO},
		{"{\"mediaType\":\"" IMAGE_TYPE_OCI_INDEX "\",\"manifests\":[]}", IMAGE_TYPE_OCI_INDEX,
		 SP_OK},
		{"{\"mediaType\":\"" IMAGE_TYPE_OCI_INDEX "\",\"manifests\":[]}", IMAGE_TYPE_OCI_MANIFEST,
		 SP_EPROTO},
		{"{\"mediaType\":\"" IMAGE_TYPE_OCI_MANIFEST "\",\"manifests\":[]}", "", SP_EPROTO},
		{"{\"manifests\":[],\"layers\":[]}", "", SP_EPROTO},
		{"{\"manifests\":[],\"config\":{}}", "", SP_EPROTO},
		{"{\"manifests\":{}}", "", SP_EPROTO},
		{"{\"schemaVersion\":1}", "", SP_EUNSUPPORTED},
		{"{\"mediaType\":\"application/x\",\"manifests\":[]}", "", SP_EUNSUPPORTED},
		{"{}", "", SP_EUNSUPPORTED},
		{"[]", "", SP_EPROTO},
		{"{", "", SP_EPROTO},
		{"{\"config\":" CONFIG ",\"layers\":[{\"digest\":\"" DIGEST
		 "\",\"size\":7,\"mediaType\":\"x/y\"}]}",
		 "", SP_EUNSUPPORTED},
		{"{\"config\":" CONFIG ",\"layers\":[{\"digest\":\"sha256:x\",\"size\":7}]}", "", SP_EPROTO},
		{"{\"config\":" CONFIG ",\"layers\":[{\"digest\":\"" DIGEST "\",\"size\":-7}]}", "",
		 SP_EPROTO},
		{"{\"config\":" CONFIG ",\"layers\":[{\"digest\":\"" DIGEST "\"}]}", "", SP_EPROTO},
		{"{\"config\":" CONFIG ",\"layers\":null}", "", SP_EPROTO},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		image_document d;
		t_row("%zu: %s (%s)", i, rows[i].text, rows[i].type);
		T_CODE(image_document_parse(T_ARENA, sp_str_c(rows[i].text), sp_str_c(rows[i].type), &d,
					    T_ERR),
		       rows[i].code);
	}
}

SP_TEST(image_manifest, configuration)
{
	image_config c;
	T_OK(image_config_parse(
		T_ARENA,
		SP_STR("{\"architecture\":\"arm64\",\"os\":\"linux\",\"config\":{\"User\":\"1:2\",\"Env\":["
		       "\"A=b\"],"
		       "\"Cmd\":[\"x\",\"y\"],\"Entrypoint\":null,\"Volumes\":{\"/"
		       "d\":{}},\"ExposedPorts\":{\"1/udp\":{},"
		       "\"2/tcp\":{}},\"WorkingDir\":\"/w\",\"StopSignal\":\"9\",\"Labels\":{\"k\":\"v\"}},"
		       "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST "\"]}}"),
		&c, T_ERR));
	T_EQ_C(c.user, "1:2");
	T_EQ_C(c.env.items[0], "A=b");
	T_EQ_U64(c.cmd.n, 2);
	T_EQ_U64(c.entrypoint.n, 0);
	T_EQ_C(c.volumes.items[0], "/d");
	T_EQ_U64(c.exposed_ports.n, 2);
	T_EQ_C(c.working_dir, "/w");
	T_EQ_C(c.stop_signal, "9");
	T_EQ_C(c.labels[0].value, "v");
	T_EQ_C(c.diff_ids.items[0], DIGEST);
	T_OK(image_config_parse(T_ARENA, SP_STR("{\"rootfs\":{\"diff_ids\":null}}"), &c, T_ERR));
	T_CODE(image_config_parse(T_ARENA, SP_STR("{\"rootfs\":{\"diff_ids\":[1]}}"), &c, T_ERR), SP_EPROTO);
	T_CODE(image_config_parse(T_ARENA, SP_STR("{\"rootfs\":{\"diff_ids\":[\"x\"]}}"), &c, T_ERR),
	       SP_EPROTO);
	T_CODE(image_config_parse(T_ARENA, SP_STR("{\"config\":{\"Env\":[\"a\\u0000\"]},\"rootfs\":{}}"), &c,
				  T_ERR),
	       SP_EPROTO);
	T_CODE(image_config_parse(T_ARENA, SP_STR("{}"), &c, T_ERR), SP_EPROTO);
}

SP_TEST(image_manifest, chain_ids)
{
	/* The example of the image-spec's formula, computed with sha256sum. */
	const sp_str ids[] = {SP_STR(DIGEST), SP_STR(DIGEST)};
	const sp_strs diff = {ids, 2};
	sp_strs chain;
	T_OK(image_chain_ids(T_ARENA, &diff, &chain, T_ERR));
	T_EQ_C(chain.items[0], DIGEST);
	T_EQ_C(chain.items[1], "sha256:ccdf9b58ee7087c8f4415f1c3e98945bf64a4cd9920de109ec94d64947636830");
}

SP_TEST(image_manifest, platform)
{
	static const struct {
		const char *have[4]; /* architecture/variant each */
		const char *architecture, *variant;
		int pick;
	} rows[] = {
		{{"arm/v6", "arm/v7", "arm64/v8", "amd64/"}, "arm", "v7", 1},
		{{"arm/v5", "arm/v6", "arm64/v8", "amd64/"}, "arm", "v7", 1},
		{{"arm/v7", "arm/v6", "arm64/v8", "amd64/"}, "arm", "", 1},
		{{"arm/v7", "arm/v6", "arm64/v8", "amd64/"}, "arm64", "", 2},
		{{"arm64/", "arm/v6", "x/", "amd64/"}, "arm64", "v8", 0},
		{{"amd64/v3", "amd64/", "x/", "amd64/v2"}, "amd64", "", 1},
		{{"amd64/v3", "x/", "x/", "amd64/v2"}, "amd64", "v1", -1},
		{{"x/", "x/", "unknown/", "x/"}, "amd64", "", -1},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		image_descriptor entries[4] = {{.size_bytes = 0}};
		image_document index = {.kind = IMAGE_DOCUMENT_INDEX, .entries = entries, .n_entries = 4};
		for (size_t k = 0; k < 4; k++) {
			sp_str rest = sp_str_c(rows[i].have[k]), arch;
			T_TRUE(sp_str_cut(&rest, '/', &arch));
			entries[k].platform = (image_platform){SP_STR("linux"), arch, rest};
		}
		const image_platform want = {SP_STR("linux"), sp_str_c(rows[i].architecture),
					     sp_str_c(rows[i].variant)};
		const image_descriptor *d = image_index_pick(&index, &want);
		t_row("%zu", i);
		T_EQ_I64(d == NULL ? -1 : d - entries, rows[i].pick);
	}
}

/* ---- hosts.toml ---- */

SP_TEST(image_hosts, file)
{
	image_hosts h;
	T_OK(image_hosts_parse(
		T_ARENA,
		SP_STR("server = \"https://real.example/base/\"\nca = 'root.pem'\n"
		       "[host.\"https://m1.example:5000/x\"]\ncapabilities = [\"pull\"]\nskip_verify = true\n"
		       "client = [[\"c.crt\", \"/k.key\"], [\"other\", \"\"]]\n"
		       "[host.\"https://m1.example:5000/x\".header]\nX-A = [\"1\", \"2\"]\nx-b = '3'\n"
		       "[host.\"http://m2\"]\noverride_path = true\nca = ['/a', 'b']\n"
		       "[host.\"localhost:1\"]\n"),
		SP_STR("/etc/x"), SP_STR("reg.example"), &h, T_ERR));
	T_EQ_U64(h.n, 4);
	T_TRUE(h.items[0].https && h.items[0].skip_verify && h.items[0].capabilities == IMAGE_HOST_PULL);
	T_EQ_C(h.items[0].authority, "m1.example:5000");
	T_EQ_C(h.items[0].prefix, "/x/v2");
	T_EQ_C(h.items[0].client_cert, "/etc/x/c.crt");
	T_EQ_C(h.items[0].client_key, "/k.key");
	T_EQ_U64(h.items[0].n_headers, 3);
	T_EQ_C(h.items[0].headers[1].name, "x-a");
	T_EQ_C(h.items[0].headers[1].value, "2");
	T_TRUE(!h.items[1].https);
	T_EQ_C(h.items[1].address, "m2:80");
	T_EQ_C(h.items[1].prefix, "");
	T_EQ_C(h.items[1].ca.items[1], "/etc/x/b");
	T_TRUE(!h.items[2].https);
	T_TRUE(h.items[3].is_registry && !h.items[2].is_registry);
	T_EQ_C(h.items[3].address, "real.example:443");
	T_EQ_C(h.items[3].prefix, "/base/v2");
	T_EQ_C(h.items[3].ca.items[0], "/etc/x/root.pem");
}

SP_TEST(image_hosts, defaults)
{
	static const struct {
		const char *registry, *address;
		bool https;
	} rows[] = {{"docker.io", "registry-1.docker.io:443", true},
		    {"quay.io", "quay.io:443", true},
		    {"host.x:5000", "host.x:5000", true},
		    {"[2001:db8::1]", "[2001:db8::1]:443", true},
		    {"localhost:5000", "localhost:5000", false},
		    {"127.0.0.1", "127.0.0.1:80", false},
		    {"localhostile.x", "localhostile.x:443", true}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		image_hosts h;
		t_row("%s", rows[i].registry);
		T_OK(image_hosts_default(T_ARENA, sp_str_c(rows[i].registry), &h, T_ERR));
		T_EQ_U64(h.n, 1);
		T_EQ_C(h.items[0].address, rows[i].address);
		T_TRUE(h.items[0].https == rows[i].https && h.items[0].is_registry);
	}
}

SP_TEST(image_hosts, refuses)
{
	static const char *const rows[] = {
		"server = 1",
		"server = 'ftp://x'",
		"server = 'https://user@x'",
		"host = 1",
		"[host.'https://x']\ncapabilities = 'pull'",
		"[host.'https://x']\ncapabilities = ['fly']",
		"[host.'https://x']\nskip_verify = 'yes'",
		"[host.'https://x']\nca = 1",
		"[host.'https://x']\nclient = [1]",
		"[host.'https://x'.header]\na = 1",
		"[host.'https://']\n",
		"[host.'https://x y']\n",
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		image_hosts h;
		t_row("%s", rows[i]);
		T_CODE(image_hosts_parse(T_ARENA, sp_str_c(rows[i]), SP_STR("/"), SP_STR("r.x"), &h, T_ERR),
		       SP_EINVAL);
	}
}

/* ---- challenges ---- */

SP_TEST(image_challenge, header)
{
	static const struct {
		const char *text;
		image_auth scheme;
		const char *realm, *service, *scope;
	} rows[] = {
		{"Bearer realm=\"https://a/t\",service=\"s, x\",scope=\"repository:a/b:pull\"",
		 IMAGE_AUTH_BEARER, "https://a/t", "s, x", "repository:a/b:pull"},
		{"bearer realm = \"https://a\" , error=\"insufficient_scope\"", IMAGE_AUTH_BEARER,
		 "https://a", "", ""},
		{"Basic realm=\"x\", Bearer realm=\"https://a\"", IMAGE_AUTH_BEARER, "https://a", "", ""},
		{"Bearer service=x, Basic realm=y", IMAGE_AUTH_BASIC, "y", "", ""},
		{"Negotiate, Basic realm=\"a\\\"b\"", IMAGE_AUTH_BASIC, "a\"b", "", ""},
		{"Negotiate abc==, Digest qop=1", IMAGE_AUTH_NONE, "", "", ""},
		{"", IMAGE_AUTH_NONE, "", "", ""},
		{"Bearer realm=\"unended", IMAGE_AUTH_BEARER, "unended", "", ""},
		{",,, \t", IMAGE_AUTH_NONE, "", "", ""},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		image_challenge c;
		t_row("%s", rows[i].text);
		T_OK(image_challenge_parse(T_ARENA, sp_str_c(rows[i].text), &c, T_ERR));
		T_EQ_I64(c.scheme, rows[i].scheme);
		T_EQ_C(c.realm, rows[i].realm);
		T_EQ_C(c.service, rows[i].service);
		T_EQ_C(c.scope, rows[i].scope);
	}
}

SP_TEST(image_challenge, token)
{
	image_token t;
	T_OK(image_token_parse(T_ARENA, SP_STR("{\"token\":\"a.b\",\"expires_in\":300}"), &t, T_ERR));
	T_EQ_C(t.text, "a.b");
	T_EQ_U64(t.expires_s, 300);
	T_OK(image_token_parse(T_ARENA, SP_STR("{\"access_token\":\"x\",\"expires_in\":1}"), &t, T_ERR));
	T_EQ_C(t.text, "x");
	T_EQ_U64(t.expires_s, 60);
	T_CODE(image_token_parse(T_ARENA, SP_STR("{\"token\":\"a b\"}"), &t, T_ERR), SP_EPROTO);
	T_CODE(image_token_parse(T_ARENA, SP_STR("{\"token\":\"a\\nb\"}"), &t, T_ERR), SP_EPROTO);
	T_CODE(image_token_parse(T_ARENA, SP_STR("{}"), &t, T_ERR), SP_EPROTO);
	T_CODE(image_token_parse(T_ARENA, SP_STR("nope"), &t, T_ERR), SP_EPROTO);
}

SP_TEST(image_challenge, errors)
{
	T_EQ_C(image_registry_error(T_ARENA,
				    SP_STR("{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\\u0007\"}]}")),
	       "DENIED: no?");
	T_EQ_C(image_registry_error(T_ARENA, SP_STR("{\"errors\":[]}")), "");
	T_EQ_C(image_registry_error(T_ARENA, SP_STR("<html>")), "");
}
