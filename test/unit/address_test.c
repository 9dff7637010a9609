/* SPDX-License-Identifier: Apache-2.0 */
#include "io/address.h"

#include "lib/t.h"

SP_TEST(address, parse_and_print)
{
	static const struct {
		const char *text;
		sp_address_kind kind;
		unsigned port;
		const char *print; /* NULL: the same */
	} rows[] = {
		{"127.0.0.1:6443", SP_ADDRESS_IP4, 6443, NULL},
		{"0.0.0.0:0", SP_ADDRESS_IP4, 0, NULL},
		{"[::1]:80", SP_ADDRESS_IP6, 80, NULL},
		{"[::]:65535", SP_ADDRESS_IP6, 65535, NULL},
		{"[0:0:0:0:0:0:0:1]:080", SP_ADDRESS_IP6, 80, "[::1]:80"},
		{"unix:/run/x.sock", SP_ADDRESS_UNIX, 0, NULL},
		{"unix:///run/x.sock", SP_ADDRESS_UNIX, 0, NULL},
		{"unix:@name", SP_ADDRESS_ABSTRACT, 0, NULL},
		{"fd:3", SP_ADDRESS_FD, 0, NULL},
		{"localhost:443", SP_ADDRESS_NAME, 443, NULL},
		{"my_svc.default.svc:1", SP_ADDRESS_NAME, 1, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].text);
		sp_address a;
		char out[SP_ADDRESS_TEXT_BYTES];
		T_OK(sp_address_parse(sp_str_c(rows[i].text), &a, T_ERR));
		T_EQ_I64(a.kind, rows[i].kind);
		T_EQ_U64(a.port, rows[i].port);
		T_EQ_U64(sp_address_print(&a, out, sizeof out), strlen(out));
		T_EQ_C(sp_str_c(out), rows[i].print == NULL ? rows[i].text : rows[i].print);
	}
}

SP_TEST(address, refused)
{
	static const char *const rows[] = {
		"",
		"6443",
		":6443",
		"1.2.3:80",
		"127.1:80",
		"[::1]",
		"[::1:80",
		"::1:80",
		"[]:80",
		"[::1%lo]:1",
		"127.0.0.1:",
		"a:65536",
		"a:-1",
		"a:+1",
		"unix:",
		"unix:@",
		"unix:x",
		"fd:",
		"fd:-1",
		"fd:x",
		"a b:1",
		"-a:1",
		".a:1",
		"a/b:1",
		"http://a:80/path",
		"[1.2.3.4]:1",
		"\xc3\xa4:1",
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i]);
		sp_address a;
		T_CODE(sp_address_parse(sp_str_c(rows[i]), &a, T_ERR), SP_EINVAL);
	}
	sp_address a;
	T_CODE(sp_address_parse(SP_STR("unix:/a\0b"), &a, NULL), SP_EINVAL);
	T_CODE(sp_address_parse(SP_STR("127.0.0.1\0:80"), &a, NULL), SP_EINVAL);
	char longest[6 + SP_ADDRESS_UNIX_BYTES];
	memset(longest, 'x', sizeof longest);
	memcpy(longest, "unix:/", 6);
	T_OK(sp_address_parse((sp_str){longest, sizeof longest - 1}, &a, T_ERR));
	T_CODE(sp_address_parse((sp_str){longest, sizeof longest}, &a, NULL), SP_EINVAL);
}
