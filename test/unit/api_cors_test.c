/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of other origins. U: apiserver pkg/server/filters/cors.go; the answers were seen from a
 * kube-apiserver 1.36.2. */
#include "apiserver/cors.h"
#include "lib/api_ask.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define PINS                                                                                         \
	"--cors-allowed-origins has an invalid regular expression: regular expression does not pin " \
	"to start/end of host in the origin header"

SP_TEST(api_cors, the_flag)
{
	static const struct {
		const char *list, *says; /* NULL: it is taken */
	} rows[] = {
		{"", NULL},
		{"//example\\.com(:|$)", NULL},
		{"^https://example\\.com(:|$),//127.0.0.1:", NULL},
		{"example.com", PINS},
		{"^https://example.com", NULL}, /* a colon is all it takes, as upstream */
		{"^example", PINS},
		{"example.com$", PINS},
		{"//a(:|$),", "empty value in --cors-allowed-origins"},
		{",//a(:|$)", "empty value in --cors-allowed-origins"},
		{"//a[", "--cors-allowed-origins has an invalid regular expression: error parsing regexp: "
			 "missing closing ]: `[`"},
		{"//(?<!a)$:", "--cors-allowed-origins has an invalid regular expression: error parsing "
			       "regexp: invalid named capture: `(?<!a)$:`"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const api_cors *c;
		sp_err err = {0};
		t_row("%s", rows[i].list);
		sp_code code = api_cors_read(T_ARENA, sp_str_c(rows[i].list), &c, &err);
		T_EQ_I64(code, rows[i].says == NULL ? SP_OK : SP_EINVAL);
		if (rows[i].says != NULL)
			T_EQ_STR(sp_str_c(err.msg), sp_str_c(rows[i].says));
		else
			T_TRUE((c == NULL) == (rows[i].list[0] == '\0'));
	}
}

SP_TEST(api_cors, origins)
{
	static const struct {
		const char *origin;
		bool yes;
	} rows[] = {{"https://example.com", true},
		    {"http://example.com:8080", true},
		    {"https://example.com.evil", false},
		    {"https://notexample.com", false},
		    {"", false},
		    {"null", false},
		    {"http://a.b.example.org", true},
		    {"http://a.b.example.org:1", false},
		    {"\xff//example.com", true}};
	const api_cors *c;
	T_OK(api_cors_read(T_ARENA, SP_STR("//example\\.com(:|$),^http://.*\\.example\\.org$"), &c, NULL));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].origin);
		T_TRUE(api_cors_allows(c, sp_str_c(rows[i].origin)) == rows[i].yes);
		T_TRUE(!api_cors_allows(NULL, sp_str_c(rows[i].origin)));
	}
}

#define ALLOWED                                                                                              \
	"http://a.io|POST, GET, OPTIONS, PUT, DELETE, PATCH|Content-Type, Content-Length, Accept-Encoding, " \
	"X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since|Date|true"

SP_TEST(api_cors, answers)
{
	static const struct {
		t_req q;
		uint16_t status;
		const char *cors;
	} rows[] = {
		{{.method = "GET", .path = "/version", .origin = "http://a.io"}, 200, ALLOWED},
		{{.method = "GET", .path = "/version", .origin = "http://b.io"}, 200, "||||"},
		{{.method = "GET", .path = "/version"}, 200, "||||"},
		{{.method = "GET", .path = "/api/v1/namespaces/x", .origin = "http://a.io"}, 404, ALLOWED},
		{{.method = "GET", .path = "/api/v1/pods?watch=1&timeoutSeconds=1", .origin = "http://a.io"},
		 200,
		 ALLOWED},
		{{.method = "OPTIONS", .path = "/api/v1/pods", .origin = "http://a.io"}, 204, ALLOWED},
		{{.method = "OPTIONS", .path = "/nowhere", .origin = "http://a.io", .user = "nobody"},
		 204,
		 ALLOWED},
		{{.method = "OPTIONS", .path = "/api/v1/pods", .origin = "http://b.io"}, 405, "||||"},
		/* The deadline comes first. */
		{{.method = "GET", .path = "/version?timeout=soon", .origin = "http://a.io"}, 400, "||||"},
	};
	const api_cors *c;
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	T_OK(api_cors_read(T_ARENA, SP_STR("//a\\.io(:|$)"), &c, NULL));
	f->api.cors = c;
	T_TRUE(t_api_restart(&f->api, SECOND));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s %s", rows[i].q.method, rows[i].q.path);
		t_ask_one(f, &rows[i].q, rows[i].status, NULL);
		T_EQ_STR(sp_str_c(f->call.cors), sp_str_c(rows[i].cors));
		if (rows[i].status == 204)
			T_TRUE(f->call.body.len == 0 && f->call.audit_id[0] != '\0' &&
			       f->call.type[0] == '\0');
	}
}
