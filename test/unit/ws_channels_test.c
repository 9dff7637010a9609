/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ws/channels.h"
#include "lib/t.h"

SP_TEST(channels, choose_in_the_clients_order)
{
	static const struct {
		const char *list, *want; /* NULL: none */
		bool spdy;
		uint8_t version_max;
	} rows[] = {
		{"v5.channel.k8s.io", "v5.channel.k8s.io", false, 5},
		{"v5.channel.k8s.io, v4.channel.k8s.io", "v4.channel.k8s.io", false, 4},
		{"v4.channel.k8s.io,v5.channel.k8s.io", "v4.channel.k8s.io", false, 5},
		{"base64.channel.k8s.io", "base64.channel.k8s.io", false, 5},
		{"v4.base64.channel.k8s.io", "v4.base64.channel.k8s.io", false, 5},
		{"", "", false, 5},
		{"v2.channel.k8s.io", NULL, false, 5},
		{"v9.channel.k8s.io", NULL, false, 5},
		{"v4.channel.k8s.io, v3.channel.k8s.io", "v4.channel.k8s.io", true, 5},
		{"v3.channel.k8s.io", "v3.channel.k8s.io", true, 5},
		{"v5.channel.k8s.io", NULL, true, 5},
		{"v4.base64.channel.k8s.io", NULL, true, 5},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s spdy=%d", rows[i].list, rows[i].spdy);
		const sp_channel_protocol *p =
			sp_channel_choose(sp_str_c(rows[i].list), rows[i].spdy, rows[i].version_max);
		T_TRUE((p != NULL) == (rows[i].want != NULL));
		if (p != NULL)
			T_EQ_C(p->name, rows[i].want);
	}
}

SP_TEST(channels, decode)
{
	static const struct {
		const char *name, *protocol;
		sp_str in;
		sp_code code;
		sp_channel_kind kind;
		uint8_t channel;
		const char *bytes;
	} rows[] = {
		{"stdin", "v4.channel.k8s.io", SP_STR_INIT("\0ls\n"), SP_OK, SP_CHANNEL_DATA, 0, "ls\n"},
		{"no bytes", "v4.channel.k8s.io", SP_STR_INIT("\1"), SP_OK, SP_CHANNEL_DATA, 1, ""},
		{"empty message", "v4.channel.k8s.io", SP_STR_INIT(""), SP_OK, SP_CHANNEL_NONE, 0, ""},
		{"unknown channel", "v4.channel.k8s.io", SP_STR_INIT("\5x"), SP_OK, SP_CHANNEL_NONE, 0, ""},
		{"255 is no signal in v4", "v4.channel.k8s.io", SP_STR_INIT("\xff\0"), SP_OK, SP_CHANNEL_NONE,
		 0, ""},
		{"close of stdin", "v5.channel.k8s.io", SP_STR_INIT("\xff\0"), SP_OK, SP_CHANNEL_END, 0, ""},
		{"close without channel", "v5.channel.k8s.io", SP_STR_INIT("\xff"), SP_EPROTO, 0, 0, ""},
		{"close with two", "v5.channel.k8s.io", SP_STR_INIT("\xff\0\1"), SP_EPROTO, 0, 0, ""},
		{"close of none of ours", "v5.channel.k8s.io", SP_STR_INIT("\xff\5"), SP_EPROTO, 0, 0, ""},
		{"base64", "v4.base64.channel.k8s.io", SP_STR_INIT("0Zm9vCgo="), SP_OK, SP_CHANNEL_DATA, 0,
		 "foo\n\n"},
		{"base64 of nothing", "base64.channel.k8s.io", SP_STR_INIT("2"), SP_OK, SP_CHANNEL_DATA, 2,
		 ""},
		{"base64, below '0'", "base64.channel.k8s.io", SP_STR_INIT("/Zm9v"), SP_OK, SP_CHANNEL_NONE,
		 0, ""},
		{"bad base64", "base64.channel.k8s.io", SP_STR_INIT("0Zm9"), SP_EINVAL, 0, 0, ""},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		const sp_channel_protocol *p = sp_channel_choose(sp_str_c(rows[i].protocol), false, 5);
		T_TRUE(p != NULL);
		SP_AUTO_BUF scratch;
		sp_buf_init(&scratch, 1024);
		sp_channel_event ev = {0};
		sp_code code = sp_channel_decode(p, SP_CHANNEL_COUNT, rows[i].in, &scratch, &ev, T_ERR);
		T_CODE(code, rows[i].code);
		if (code != SP_OK)
			continue;
		T_EQ_U64(ev.kind, rows[i].kind);
		T_EQ_U64(ev.channel, rows[i].channel);
		T_EQ_C(ev.bytes, rows[i].bytes);
	}
}

SP_TEST(channels, encode_is_the_inverse)
{
	static const char *const names[] = {"", "v4.channel.k8s.io", "v5.channel.k8s.io",
					    "v4.base64.channel.k8s.io"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		t_row("%s", names[i]);
		const sp_channel_protocol *p = sp_channel_choose(sp_str_c(names[i]), false, 5);
		T_TRUE(p != NULL);
		SP_AUTO_BUF scratch;
		SP_AUTO_BUF message;
		SP_AUTO_BUF scratch2;
		sp_buf_init(&scratch, 1024);
		sp_buf_init(&scratch2, 1024);
		sp_buf_init(&message, 1024);
		uint8_t head = 0;
		sp_iov parts[2];
		sp_ws_kind kind = SP_WS_TEXT;
		T_OK(sp_channel_encode(p, 3, SP_STR("a\0b"), &head, &scratch, parts, &kind, T_ERR));
		T_TRUE((kind == SP_WS_TEXT) == p->base64);
		for (size_t j = 0; j < 2; j++)
			T_OK(sp_buf_append(&message, parts[j].ptr, parts[j].len));
		sp_channel_event ev = {0};
		T_OK(sp_channel_decode(p, SP_CHANNEL_COUNT, sp_buf_view(&message), &scratch2, &ev, T_ERR));
		T_EQ_U64(ev.channel, 3);
		T_EQ_STR(ev.bytes, SP_STR("a\0b"));
	}
}

SP_TEST(channels, tunnels_are_recognised)
{
	T_TRUE(sp_channel_is_tunnel(SP_STR(SP_WS_TUNNEL_PORT_FORWARD)));
	T_TRUE(!sp_channel_is_tunnel(SP_STR("v4.channel.k8s.io")));
	T_TRUE(!sp_channel_is_tunnel(SP_STR("SPDY/3.1")));
}
