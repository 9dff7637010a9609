/* SPDX-License-Identifier: Apache-2.0 */
/* Links of pages and URLs that are led through a proxy. */
#include "apiserver/proxy/proxy.h"
#include "apiserver/proxy/rewrite.h"
#include "lib/t.h"

static const api_rewrite_place place = {SP_STR_INIT("/p"), SP_STR_INIT("10.0.0.1:80"), SP_STR_INIT("us:1")};

SP_TEST(api_rewrite, urls)
{
	static const struct {
		const char *url, *want;
	} rows[] = {
		{"/x?y#z", "/p/x?y#z"},
		{"/p/x", "/p/x"},
		{"x", "x"},
		{"?q", "?q"},
		{"", ""},
		{"http://10.0.0.1:80/x", "/p/x"},
		{"//10.0.0.1:80/x", "/p/x"},
		{"http://us:1/x", "http://us:1/p/x"},
		{"http://us:1", "http://us:1"},
		{"http://else/x", "http://else/x"},
		{"mailto:a@b/c", "mailto:a@b/c"},
		{"a:/x", "a:/x"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].url);
		T_EQ_C(api_rewrite_url(T_ARENA, &place, sp_str_c(rows[i].url)), rows[i].want);
	}
}

SP_TEST(api_rewrite, pages)
{
	static const struct {
		const char *page, *want;
	} rows[] = {
		{"<a href=\"/x\">/x</a>", "<a href=\"/p/x\">/x</a>"},
		{"<A id=1 HREF = '/x' b>", "<A id=1 HREF = '/p/x' b>"},
		{"<img src=/x alt=/y longdesc=/z>", "<img src=/p/x alt=/y longdesc=/p/z>"},
		{"<p href=/x>", "<p href=/x>"},
		{"<a title='>' href=/x>", "<a title='>' href=/p/x>"},
		{"<!-- <a href=/x> --><a href=/x>", "<!-- <a href=/x> --><a href=/p/x>"},
		{"<script src=/s>'<a href=/x>'</script><a href=/x>",
		 "<script src=/p/s>'<a href=/x>'</script><a href=/p/x>"},
		{"<style>a</styl></style ><a href=/x>", "<style>a</styl></style ><a href=/p/x>"},
		{"a < b <", "a < b <"},
		{"<a href=/x", "<a href=/x"},
		{"<a href>", "<a href>"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		for (size_t piece = 1; piece < 9; piece += 7) {
			SP_AUTO_BUF out;
			sp_buf_init(&out, 4096);
			sp_str rest = sp_str_c(rows[i].page), got = {NULL, 0};
			sp_code code = SP_OK;
			api_rewrite *w = api_rewrite_new(&place);
			t_row("row %zu by %zu", i, piece);
			for (; w != NULL && rest.len > 0 && code == SP_OK;
			     rest = sp_str_sub(rest, piece, rest.len)) {
				code = api_rewrite_feed(w, sp_str_sub(rest, 0, piece), false, &got);
				(void)sp_buf_str(&out, got);
			}
			if (w != NULL && code == SP_OK)
				code = api_rewrite_feed(w, rest, true, &got);
			(void)sp_buf_str(&out, got);
			api_rewrite_free(w);
			T_TRUE(w != NULL);
			T_OK(code);
			T_EQ_C(sp_buf_view(&out), rows[i].want);
		}
	}
}

SP_TEST(api_rewrite, parts)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	T_OK(api_proxy_escape_path(&out, SP_STR("/a b/\xc3\xa9;c=1?#%")));
	T_EQ_C(sp_buf_view(&out), "/a%20b/%C3%A9;c=1%3F%23%25");
	T_EQ_C(api_proxy_host_of(SP_STR("[::1]:80")), "::1");
	T_EQ_C(api_proxy_host_of(SP_STR("1.2.3.4:80")), "1.2.3.4");
}
