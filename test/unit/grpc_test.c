/* SPDX-License-Identifier: Apache-2.0 */
/* Client and server against each other; texts of the protocol. */
#include "base/alloc.h"
#include "io/grpc/grpc_int.h"
#include "lib/grpc_app.h"
#include "lib/mem_world.h"
#include "lib/t.h"

/* ---- texts ---- */

SP_TEST(grpc, timeouts)
{
	static const struct {
		const char *text, *error;
		uint64_t ns;
		const char *printed;
	} rows[] = {
		{"0n", "", 0, "0n"},
		{"1n", "", 1, "1n"},
		{"99999999n", "", 99999999, "99999999n"},
		{"100000u", "", 100000000, "100000u"},
		{"1m", "", 1000000, "1000000n"},
		{"1S", "", UINT64_C(1000000000), "1000000u"},
		{"2M", "", UINT64_C(120000000000), "120000m"},
		{"30H", "", UINT64_C(108000000000000), "108000S"},
		{"99999999S", "", UINT64_C(99999999000000000), "99999999S"},
		{"99999999M", "", UINT64_C(5999999940000000000), "99999999M"},
		{"5124095H", "", UINT64_C(18446742000000000000), "5124095H"},
		{"99999999H", "", UINT64_MAX, "5124096H"},
		{"007m", "", 7000000, "7000000n"},
		{"", "transport: timeout string is too short: \"\"", 0, NULL},
		{"m", "transport: timeout string is too short: \"m\"", 0, NULL},
		{"123456789m", "transport: timeout string is too long: \"123456789m\"", 0, NULL},
		{"10s", "transport: timeout unit is not recognized: \"10s\"", 0, NULL},
		{"10", "transport: timeout unit is not recognized: \"10\"", 0, NULL},
		{"1 m", "strconv.ParseUint: parsing \"1 \": invalid syntax", 0, NULL},
		{"-1m", "strconv.ParseUint: parsing \"-1\": invalid syntax", 0, NULL},
		{"+1m", "strconv.ParseUint: parsing \"+1\": invalid syntax", 0, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].text);
		uint64_t ns = 0;
		char out[GRPC_TIMEOUT_TEXT_BYTES];
		sp_err err = {0};
		sp_code code = grpc_timeout_parse(sp_str_c(rows[i].text), &ns, &err);
		T_EQ_C(sp_str_c(err.msg), rows[i].error);
		T_TRUE((code == SP_OK) == (rows[i].printed != NULL));
		T_EQ_U64(ns, rows[i].ns);
		if (rows[i].printed != NULL)
			T_EQ_C(((sp_str){out, grpc_timeout_print(out, ns)}), rows[i].printed);
	}
	char out[GRPC_TIMEOUT_TEXT_BYTES];
	T_EQ_C(((sp_str){out, grpc_timeout_print(out, 100000001)}), "100001u"); /* never shorter */
}

SP_TEST(grpc, status_messages)
{
	static const struct {
		sp_str text, wire, back;
	} rows[] = {
		{SP_STR_INIT("plain, with $~ all"), SP_STR_INIT("plain, with $~ all"),
		 SP_STR_INIT("plain, with $~ all")},
		{SP_STR_INIT("100%"), SP_STR_INIT("100%25"), SP_STR_INIT("100%")},
		{SP_STR_INIT("a\nb\x7f"), SP_STR_INIT("a%0Ab%7F"), SP_STR_INIT("a\nb\x7f")},
		{SP_STR_INIT(" x "), SP_STR_INIT("%20x%20"), SP_STR_INIT(" x ")},
		{SP_STR_INIT("na\xc3\xafve \xe2\x82\xac"), SP_STR_INIT("na%C3%AFve %E2%82%AC"),
		 SP_STR_INIT("na\xc3\xafve \xe2\x82\xac")},
		{SP_STR_INIT("\xff!"), SP_STR_INIT("%EF%BF%BD!"), SP_STR_INIT("\xef\xbf\xbd!")},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		sp_str wire = grpc_message_encode(T_ARENA, rows[i].text);
		T_EQ_STR(wire, rows[i].wire);
		T_EQ_STR(grpc_message_decode(T_ARENA, wire), rows[i].back);
	}
	T_EQ_C(grpc_message_decode(T_ARENA, SP_STR("%")), "%");
	T_EQ_C(grpc_message_decode(T_ARENA, SP_STR("%4")), "%4");
	T_EQ_C(grpc_message_decode(T_ARENA, SP_STR("%41%zz%4g%e2")), "A%zz%4g\xe2");
	static char longest[5000];
	memset(longest, 'x', sizeof longest);
	memcpy(longest + 4094, "\xe2\x82\xac", 3);
	T_EQ_U64(grpc_message_encode(T_ARENA, (sp_str){longest, sizeof longest}).len, 4094);
}

SP_TEST(grpc, metadata_on_the_wire)
{
	sp_grpc_metadata in[] = {{SP_STR("a"), SP_STR(" one two ")},
				 {SP_STR("b-bin"), SP_STR("\0\xff")},
				 {SP_STR("b-bin"), SP_STR("")},
				 {SP_STR("c.d_e-1"), SP_STR("")}};
	sp_http_header wire[SP_LEN(in)];
	T_OK(grpc_metadata_put(T_ARENA, in, SP_LEN(in), wire, T_ERR));
	T_EQ_C(wire[0].value, "one two");
	T_EQ_C(wire[1].value, "AP8");
	T_EQ_C(wire[2].value, "");

	static const sp_grpc_metadata bad[] = {
		{SP_STR_INIT("Upper"), SP_STR_INIT("x")},      {SP_STR_INIT(""), SP_STR_INIT("x")},
		{SP_STR_INIT(":path"), SP_STR_INIT("x")},      {SP_STR_INIT("grpc-status"), SP_STR_INIT("0")},
		{SP_STR_INIT("te"), SP_STR_INIT("trailers")},  {SP_STR_INIT("a"), SP_STR_INIT("\xc3\xa9")},
		{SP_STR_INIT("a"), SP_STR_INIT("one\r\ntwo")},
	};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		t_row("%zu", i);
		T_CODE(grpc_metadata_put(T_ARENA, &bad[i], 1, wire, NULL), SP_EINVAL);
	}

	sp_http_header fields[] = {{SP_STR("te"), SP_STR("trailers")},
				   {SP_STR("x-bin"), SP_STR("AP8, YQ==,YWI")},
				   {SP_STR("x"), SP_STR("1,2")},
				   {SP_STR("grpc-timeout"), SP_STR("1S")},
				   {SP_STR("grpc-trace-bin"), SP_STR("")}};
	sp_http_fields f = {.at = fields, .n = SP_LEN(fields)};
	sp_grpc_metadata *md = NULL;
	const sp_http_header *wrong = NULL;
	size_t n = 0;
	T_OK(grpc_metadata_take(T_ARENA, &f, true, &md, &n, &wrong, T_ERR));
	T_EQ_U64(n, 5);
	T_EQ_STR(md[0].value, SP_STR("\0\xff"));
	T_EQ_C(md[1].value, "a");
	T_EQ_C(md[2].value, "ab");
	T_EQ_C(sp_grpc_metadata_get(md, n, SP_STR("x")), "1,2");
	T_TRUE(sp_grpc_metadata_get(md, n, SP_STR("y")).ptr == NULL);
	fields[1].value = SP_STR("A*==");
	T_CODE(grpc_metadata_take(T_ARENA, &f, false, &md, &n, &wrong, T_ERR), SP_EINVAL);
	T_TRUE(wrong == &fields[1]);
}

/* ---- a pair ---- */

typedef struct pair {
	sp_world *world;
	grpc_app app;
	sp_http_client *client;
	sp_grpc_channel channel;
	grpc_got got[8];
	http_got raw;
	bool closing;
} pair;

static void pair_done(pair *p)
{
	for (size_t i = 0; i < SP_LEN(p->got); i++)
		sp_grpc_rpc_cancel(&p->got[i].rpc); /* those that do not read have no end */
	if (p->client != NULL && !p->closing)
		sp_http_client_close(p->client, NULL, NULL);
	sp_world_run(p->world);
	sp_http_client_free(p->client);
	for (size_t i = 0; i < SP_LEN(p->got); i++)
		grpc_got_done(&p->got[i]);
	http_got_done(&p->raw);
	grpc_app_done(&p->app);
	mem_world_free(p->world);
}
#define AUTO_PAIR SP_CLEANUP(pair_done) pair

static sp_code pair_init(pair *p, size_t piece_max, size_t message_bytes)
{
	sp_http_client_opts o = {.connector = &http_app_connector, .connector_arg = &p->app.http};
	*p = (pair){.world = mem_world_new(t_seed(), piece_max)};
	for (size_t i = 0; i < SP_LEN(p->got); i++)
		grpc_got_init(&p->got[i]);
	http_got_init(&p->raw);
	SP_TRY(grpc_app_init(&p->app, p->world, message_bytes, T_ERR));
	sp_grpc_client_http(&o);
	SP_TRY(sp_http_client_new(p->world, &o, &p->client, T_ERR));
	p->channel = (sp_grpc_channel){.http = p->client, .address = SP_STR("unix:/run/x.sock")};
	return SP_OK;
}

static sp_code start(pair *p, size_t i, const char *method, sp_str payload, sp_grpc_rpc_opts o)
{
	o.service = SP_STR("interop.Test");
	o.method = sp_str_c(method);
	o.payload = payload;
	o.client_streams = strcmp(method, "Collect") == 0 || strcmp(method, "Chat") == 0;
	o.server_streams = strcmp(method, "Count") == 0 || strcmp(method, "Chat") == 0;
	return sp_grpc_rpc_start(&p->channel, &p->got[i].rpc, &o, T_ERR);
}

static void run_for(pair *p, uint64_t s)
{
	mem_world_run_until(p->world, sp_now_ns(p->world) + s * UINT64_C(1000000000));
}

static const size_t pieces[] = {1 << 16, 5};

SP_TEST(grpc, unary)
{
	static const struct {
		const char *method, *payload, *answer, *message, *trailers;
		int32_t code;
	} rows[] = {
		{"Echo", "hello", "hello", "", "", SP_RPC_OK},
		{"Echo", "", "", "", "", SP_RPC_OK},
		{"Fail", "5 no \"such\" thing: 100%\n\xe2\x82\xac", "",
		 "no \"such\" thing: 100%\n\xe2\x82\xac", "x-why=asked for;", SP_RPC_NOT_FOUND},
		{"Fail", "99 odd", "", "odd", "x-why=asked for;", 99},
		{"Fail", "0 ", "", "", "x-why=asked for;", SP_RPC_OK},
		{"Nothing", "x", "", "unknown method Nothing for service interop.Test", "",
		 SP_RPC_UNIMPLEMENTED},
		{"Uid", "", "", "", "", SP_RPC_UNIMPLEMENTED},
		{"Count", "x", "", "no size", "", SP_RPC_INVALID_ARGUMENT},
	};
	for (size_t i = 0; i < SP_LEN(rows) * 2; i++) {
		t_row("%zu %s, pieces of %zu", i / 2, rows[i / 2].method, pieces[i % 2]);
		AUTO_PAIR p;
		T_OK(pair_init(&p, pieces[i % 2], 0));
		T_OK(start(&p, 0, rows[i / 2].method, sp_str_c(rows[i / 2].payload), (sp_grpc_rpc_opts){0}));
		T_TRUE(sp_grpc_rpc_is_open(&p.got[0].rpc));
		run_for(&p, 10);
		T_EQ_U64(p.got[0].n_ends, 1);
		if (strcmp(rows[i / 2].method, "Uid") != 0)
			T_EQ_C(sp_buf_view(&p.got[0].message), rows[i / 2].message);
		T_EQ_I64(p.got[0].code, rows[i / 2].code);
		T_EQ_C(sp_buf_view(&p.got[0].messages), rows[i / 2].answer);
		T_EQ_C(sp_buf_view(&p.got[0].trailers), rows[i / 2].trailers);
		T_EQ_U64(sp_grpc_server_n_calls(p.app.server), 0);
		T_EQ_U64(p.app.n_cancelled, 0);
	}
}

SP_TEST(grpc, metadata_both_ways)
{
	AUTO_PAIR p;
	T_OK(pair_init(&p, 1 << 16, 0));
	sp_grpc_metadata md[] = {{SP_STR("x-head"), SP_STR("one")},
				 {SP_STR("x-head-bin"), SP_STR("\1\2\xff")},
				 {SP_STR("x-tail"), SP_STR("two, three")},
				 {SP_STR("x-tail"), SP_STR("four")},
				 {SP_STR("x-tail-bin"), SP_STR("")}};
	T_OK(start(&p, 0, "Echo", SP_STR("m"), (sp_grpc_rpc_opts){.metadata = md, .n_metadata = SP_LEN(md)}));
	run_for(&p, 10);
	T_EQ_I64(p.got[0].code, SP_RPC_OK);
	T_EQ_C(sp_buf_view(&p.got[0].messages), "m");
	T_EQ_C(sp_buf_view(&p.got[0].head), "x-head=one;x-head-bin=\1\2\xff;");
	T_EQ_C(sp_buf_view(&p.got[0].trailers), "x-tail=two, three;x-tail=four;x-tail-bin=;");
	md[0].key = SP_STR("Bad");
	T_CODE(start(&p, 1, "Echo", SP_STR("m"), (sp_grpc_rpc_opts){.metadata = md, .n_metadata = 1}),
	       SP_EINVAL);
	T_CODE(start(&p, 1, "Ec/ho", SP_STR("m"), (sp_grpc_rpc_opts){0}), SP_EINVAL);
	T_CODE(start(&p, 1, "Ec ho", SP_STR("m"), (sp_grpc_rpc_opts){0}), SP_EINVAL);
	T_TRUE(!sp_grpc_rpc_is_open(&p.got[1].rpc));
}

SP_TEST(grpc, streams)
{
	for (size_t i = 0; i < SP_LEN(pieces); i++) {
		t_row("pieces of %zu", pieces[i]);
		AUTO_PAIR p;
		T_OK(pair_init(&p, pieces[i], 0));
		T_OK(start(&p, 0, "Collect", SP_STR(""), (sp_grpc_rpc_opts){0}));
		T_OK(start(&p, 1, "Count", SP_STR("3 2"), (sp_grpc_rpc_opts){0}));
		T_OK(start(&p, 2, "Chat", SP_STR(""), (sp_grpc_rpc_opts){0}));
		T_OK(start(&p, 3, "Chat", SP_STR(""), (sp_grpc_rpc_opts){0}));
		T_OK(start(&p, 4, "Count", SP_STR("0 0"), (sp_grpc_rpc_opts){0}));
		for (size_t n = 0; n < 3; n++) {
			T_OK(sp_grpc_rpc_send(&p.got[0].rpc, n == 1 ? SP_STR("") : SP_STR("part"), T_ERR));
			T_OK(sp_grpc_rpc_send(&p.got[2].rpc, n == 1 ? SP_STR("") : SP_STR("say"), T_ERR));
			run_for(&p, 1);
		}
		T_EQ_C(sp_buf_view(&p.got[2].messages), "say||say|");
		T_EQ_U64(p.got[0].n_ends + p.got[2].n_ends + p.got[3].n_ends, 0);
		run_for(&p, 1000); /* a silent stream lives on */
		T_OK(sp_grpc_rpc_close_send(&p.got[0].rpc, T_ERR));
		T_OK(sp_grpc_rpc_close_send(&p.got[2].rpc, T_ERR));
		T_OK(sp_grpc_rpc_close_send(&p.got[3].rpc, T_ERR));
		T_CODE(sp_grpc_rpc_send(&p.got[0].rpc, SP_STR("late"), NULL), SP_ECANCELED);
		run_for(&p, 10);
		for (size_t n = 0; n < 5; n++) {
			T_EQ_U64(p.got[n].n_ends, 1);
			T_EQ_C(sp_buf_view(&p.got[n].message), "");
			T_EQ_I64(p.got[n].code, SP_RPC_OK);
		}
		T_EQ_C(sp_buf_view(&p.got[0].messages), "partpart");
		T_EQ_C(sp_buf_view(&p.got[1].messages), "aa|aa|aa|");
		T_EQ_C(sp_buf_view(&p.got[3].messages), "");
		T_EQ_U64(sp_grpc_server_n_calls(p.app.server), 0);
	}
}

/* A reader that stops holds the writer back, and loses nothing. */
SP_TEST(grpc, back_pressure_of_a_server_stream)
{
	AUTO_PAIR p;
	T_OK(pair_init(&p, 1 << 16, 0));
	T_OK(start(&p, 0, "Count", SP_STR("1500 1000"), (sp_grpc_rpc_opts){0}));
	T_OK(start(&p, 1, "Count", SP_STR("5 3"), (sp_grpc_rpc_opts){0}));
	p.got[0].n_pause = 7;
	p.got[1].n_pause = 2;
	run_for(&p, 30);
	T_EQ_U64(p.got[0].n_messages, 7);
	T_EQ_U64(p.got[1].n_messages, 2);
	T_EQ_U64(sp_grpc_server_n_calls(p.app.server), 1);
	p.got[0].n_pause = 0;
	sp_grpc_rpc_read(&p.got[0].rpc, true);
	T_EQ_U64(p.got[0].n_messages, 7); /* not from inside */
	sp_grpc_rpc_read(&p.got[1].rpc, true);
	run_for(&p, 10);
	T_EQ_U64(p.got[0].n_messages, 1500);
	T_EQ_I64(p.got[0].code, SP_RPC_OK);
	T_EQ_C(sp_buf_view(&p.got[1].messages), "aaa|aaa|aaa|aaa|aaa|");
	T_EQ_U64(p.got[1].n_ends, 1);
}

static void fill(grpc_got *g, size_t *n_sent, sp_str message, size_t max)
{
	while (*n_sent < max && !sp_grpc_rpc_is_full(&g->rpc)) {
		if (sp_grpc_rpc_send(&g->rpc, message, T_ERR) != SP_OK)
			return;
		(*n_sent)++;
	}
}

SP_TEST(grpc, back_pressure_of_both_directions)
{
	AUTO_PAIR p;
	T_OK(pair_init(&p, 1 << 16, 0));
	static char message[3000];
	memset(message, 'm', sizeof message);
	size_t n_sent = 0;
	T_OK(start(&p, 0, "Chat", SP_STR(""), (sp_grpc_rpc_opts){0}));
	p.got[0].n_pause = 1;
	for (size_t i = 0; i < 30; i++) {
		fill(&p.got[0], &n_sent, (sp_str){message, sizeof message}, 2000);
		run_for(&p, 1);
	}
	T_EQ_U64(p.got[0].n_messages, 1);
	T_TRUE(n_sent < 700); /* four windows and marks of 256 KiB */
	sp_grpc_rpc_read(&p.got[0].rpc, true);
	while (n_sent < 2000 && !t_failed()) {
		size_t before = n_sent;
		run_for(&p, 1);
		fill(&p.got[0], &n_sent, (sp_str){message, sizeof message}, 2000);
		T_TRUE(n_sent > before);
	}
	T_OK(sp_grpc_rpc_close_send(&p.got[0].rpc, T_ERR));
	run_for(&p, 10);
	T_EQ_U64(p.got[0].n_messages, 2000);
	T_EQ_U64(p.got[0].n_ends, 1);
	T_EQ_I64(p.got[0].code, SP_RPC_OK);
}

SP_TEST(grpc, deadlines)
{
	AUTO_PAIR p;
	T_OK(pair_init(&p, 1 << 16, 0));
	sp_grpc_rpc_opts two_s = {.timeout_ns = UINT64_C(2000000000)};
	T_OK(start(&p, 0, "Never", SP_STR(""), two_s));
	T_OK(start(&p, 1, "Chat", SP_STR(""), two_s));
	T_OK(start(&p, 2, "Echo", SP_STR("x"), two_s));
	T_OK(start(&p, 3, "Echo", SP_STR("x"), (sp_grpc_rpc_opts){.timeout_ns = UINT64_MAX}));
	run_for(&p, 1);
	T_EQ_U64(p.got[0].n_ends + p.got[1].n_ends, 0);
	run_for(&p, 2);
	for (size_t i = 0; i < 2; i++) {
		T_EQ_U64(p.got[i].n_ends, 1);
		T_EQ_I64(p.got[i].code, SP_RPC_DEADLINE_EXCEEDED);
		T_EQ_C(sp_buf_view(&p.got[i].message), "context deadline exceeded");
		T_EQ_I64(p.got[2 + i].code, SP_RPC_OK);
	}
	T_EQ_U64(p.app.n_cancelled, 2);
	T_EQ_U64(sp_grpc_server_n_calls(p.app.server), 0);
}

SP_TEST(grpc, cancelling)
{
	AUTO_PAIR p;
	T_OK(pair_init(&p, 1 << 16, 0));
	T_OK(start(&p, 0, "Never", SP_STR(""), (sp_grpc_rpc_opts){0}));
	T_OK(start(&p, 1, "Chat", SP_STR(""), (sp_grpc_rpc_opts){0}));
	T_OK(start(&p, 2, "Count", SP_STR("1000 1000"), (sp_grpc_rpc_opts){0}));
	T_OK(start(&p, 3, "Never", SP_STR(""), (sp_grpc_rpc_opts){0}));
	T_OK(start(&p, 4, "Echo", SP_STR(""), (sp_grpc_rpc_opts){0}));
	sp_grpc_rpc_cancel(&p.got[4].rpc); /* before anything was sent */
	p.got[2].cancel_on_data = true;
	run_for(&p, 1);
	T_EQ_U64(p.got[2].n_messages, 1);
	sp_grpc_rpc_cancel(&p.got[0].rpc);
	sp_grpc_rpc_cancel(&p.got[0].rpc);
	sp_grpc_rpc_cancel(&p.got[1].rpc);
	run_for(&p, 1);
	T_TRUE(p.app.n_cancelled >= 2);
	T_EQ_U64(sp_grpc_server_n_calls(p.app.server), 1);
	T_EQ_U64(p.got[0].n_ends + p.got[1].n_ends + p.got[2].n_ends + p.got[3].n_ends + p.got[4].n_ends, 0);
	T_CODE(sp_grpc_rpc_send(&p.got[1].rpc, SP_STR("x"), NULL), SP_ECANCELED);
	p.closing = true;
	sp_http_client_close(p.client, NULL, NULL);
	run_for(&p, 1);
	T_EQ_U64(p.got[3].n_ends, 1);
	T_EQ_I64(p.got[3].code, SP_RPC_CANCELLED);
	T_EQ_U64(sp_grpc_server_n_calls(p.app.server), 0);
}

SP_TEST(grpc, messages_that_are_too_large)
{
	AUTO_PAIR p;
	T_OK(pair_init(&p, 1 << 16, 1000));
	static char text[1001];
	memset(text, 't', sizeof text);
	T_OK(start(&p, 0, "Echo", (sp_str){text, 1001}, (sp_grpc_rpc_opts){0}));
	T_OK(start(&p, 1, "Echo", (sp_str){text, 1000}, (sp_grpc_rpc_opts){0}));
	T_OK(start(&p, 2, "Collect", SP_STR(""), (sp_grpc_rpc_opts){0}));
	T_OK(start(&p, 3, "Chat", SP_STR(""), (sp_grpc_rpc_opts){0}));
	T_OK(sp_grpc_rpc_send(&p.got[2].rpc, (sp_str){text, 600}, T_ERR));
	T_OK(sp_grpc_rpc_send(&p.got[2].rpc, (sp_str){text, 600}, T_ERR));
	T_OK(sp_grpc_rpc_close_send(&p.got[2].rpc, T_ERR));
	T_OK(sp_grpc_rpc_send(&p.got[3].rpc, (sp_str){text, 1001}, T_ERR));
	run_for(&p, 10);
	T_EQ_I64(p.got[0].code, SP_RPC_RESOURCE_EXHAUSTED);
	T_EQ_C(sp_buf_view(&p.got[0].message), "grpc: received message larger than max (1001 vs. 1000)");
	T_EQ_I64(p.got[1].code, SP_RPC_OK);
	T_EQ_I64(p.got[2].code, SP_RPC_RESOURCE_EXHAUSTED);
	T_EQ_C(sp_buf_view(&p.got[2].message),
	       "grpc: trying to send message larger than max (1200 vs. 1000)");
	T_EQ_I64(p.got[3].code, SP_RPC_RESOURCE_EXHAUSTED);
	T_EQ_U64(sp_grpc_server_n_calls(p.app.server), 0);
	p.channel.message_bytes = 100;
	T_CODE(start(&p, 4, "Echo", (sp_str){text, 101}, (sp_grpc_rpc_opts){0}), SP_ETOOLARGE);
	T_OK(start(&p, 4, "Count", SP_STR("2 101"), (sp_grpc_rpc_opts){0}));
	run_for(&p, 10);
	T_EQ_I64(p.got[4].code, SP_RPC_RESOURCE_EXHAUSTED);
}

/* The largest message there is, through queue and windows. */
SP_TEST(grpc, the_largest_message)
{
	AUTO_PAIR p;
	T_OK(pair_init(&p, 1 << 16, 0));
	char *text = sp_try_alloc(SP_LIMIT_GRPC_MESSAGE_BYTES);
	T_TRUE(text != NULL);
	T_DEFER(sp_free, text);
	T_OK(start(&p, 0, "Echo", (sp_str){text, SP_LIMIT_GRPC_MESSAGE_BYTES}, (sp_grpc_rpc_opts){0}));
	run_for(&p, 10);
	T_EQ_C(sp_buf_view(&p.got[0].message), "");
	T_EQ_I64(p.got[0].code, SP_RPC_OK);
	T_EQ_U64(p.got[0].messages.len, SP_LIMIT_GRPC_MESSAGE_BYTES);
}

/* ---- requests by hand ---- */

/* A status may be in the head. */
static void raw_response(sp_http_exchange *ex)
{
	static const sp_http_name names[] = {SP_HTTP_GRPC_STATUS, SP_HTTP_GRPC_MESSAGE};
	static const char *const texts[] = {"grpc-status", "grpc-message"};
	http_got *g = ex->arg;
	g->status = ex->status;
	for (size_t i = 0; i < SP_LEN(names); i++) {
		sp_str v = sp_http_get(&ex->headers, names[i]);
		if (v.ptr != NULL)
			(void)sp_buf_printf(&g->trailers, "%s=" SP_FMT ";", texts[i], SP_ARG(v));
	}
}

SP_TEST(grpc, requests_that_are_refused)
{
	static const struct {
		const char *path, *method, *type, *name, *value;
		sp_str body;
		uint16_t http;
		const char *status, *message;
	} rows[] = {
#define E "/interop.Test/Echo"
#define G "application/grpc"
#define M SP_STR_INIT("\0\0\0\0\1x")
		{E, "POST", G, NULL, NULL, M, 200, "0", ""},
		{E, "POST", G "+proto", "grpc-encoding", "identity", M, 200, "0", ""},
		{E, "POST", G ";v=1", NULL, NULL, M, 200, "0", ""},
		{E, "POST", "application/grpcx", NULL, NULL, M, 415, "3",
		 "invalid gRPC request content-type \"application/grpcx\""},
		{E, "POST", "text/plain", NULL, NULL, M, 415, "3",
		 "invalid gRPC request content-type \"text/plain\""},
		{E, "GET", G, NULL, NULL, SP_STR_INIT(""), 405, "13",
		 "Received a HEADERS frame with :method \"GET\" which should be POST"},
		{E, "POST", G, "grpc-timeout", "10s", M, 400, "13",
		 "malformed grpc-timeout: transport: timeout unit is not recognized: \"10s\""},
		{E, "POST", G, "a-bin", "b*d", M, 400, "13",
		 "malformed binary metadata \"b*d\" in header \"a-bin\": illegal base64 data at input byte "
		 "1"},
		{E, "POST", G, "grpc-encoding", "gzip", M, 200, "12",
		 "grpc: Decompressor is not installed for grpc-encoding \"gzip\""},
		{"/x", "POST", G, NULL, NULL, M, 200, "12", "malformed method name: \"/x\""},
		{"/a.B/C", "POST", G, NULL, NULL, M, 200, "12", "unknown service a.B"},
		{"/interop.Test/X", "POST", G, NULL, NULL, M, 200, "12",
		 "unknown method X for service interop.Test"},
		{E, "POST", G, NULL, NULL, SP_STR_INIT(""), 200, "13",
		 "cardinality violation: received no request message from non-client-streaming RPC"},
		{E, "POST", G, NULL, NULL, SP_STR_INIT("\0\0\0\0\0\0\0\0\0\0"), 200, "13",
		 "cardinality violation: received multiple request messages for non-client-streaming RPC"},
		{E, "POST", G, NULL, NULL, SP_STR_INIT("\0\0\0\0\2x"), 200, "13", "unexpected EOF"},
		{E, "POST", G, NULL, NULL, SP_STR_INIT("\0\0"), 200, "13", "unexpected EOF"},
		{E, "POST", G, NULL, NULL, SP_STR_INIT("\1\0\0\0\1x"), 200, "13",
		 "grpc: compressed flag set with identity or empty encoding"},
		{E, "POST", G, NULL, NULL, SP_STR_INIT("\2\0\0\0\1x"), 200, "13",
		 "grpc: received unexpected payload format 2"},
		{E, "POST", G, NULL, NULL, SP_STR_INIT("\0\1\0\0\1x"), 200, "8",
		 "grpc: received message larger than max (16777217 vs. 16777216)"},
		{"/interop.Test/Chat", "POST", G, NULL, NULL, SP_STR_INIT("\0\0\0\0\1x\0\0"), 200, "13",
		 "unexpected EOF"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu %s", i, rows[i].path);
		AUTO_PAIR p;
		sp_http_events ev = http_got_events;
		ev.on_response = raw_response;
		T_OK(pair_init(&p, 3, 0));
		SP_AUTO_BYTES body = sp_bytes_try_dup(rows[i].body);
		T_TRUE(body != NULL);
		sp_http_header h[2] = {{SP_STR("content-type"), sp_str_c(rows[i].type)},
				       {sp_str_c(rows[i].name), sp_str_c(rows[i].value)}};
		sp_http_request r = {.address = SP_STR("x:1"),
				     .h2 = true,
				     .method = sp_str_c(rows[i].method),
				     .path = sp_str_c(rows[i].path),
				     .headers = h,
				     .n_headers = rows[i].name == NULL ? 1 : 2,
				     .authority = SP_STR("/run/some/x.sock"), /* as grpc-java says */
				     .body = body};
		T_OK(sp_http_request_start(p.client, &r, &ev, &p.raw, &p.raw.ex, T_ERR));
		run_for(&p, 10);
		T_TRUE(p.raw.closed);
		T_EQ_U64(p.raw.status, rows[i].http);
		SP_AUTO_BUF want;
		sp_buf_init(&want, 1000);
		T_OK(sp_buf_printf(&want, "grpc-status=%s;", rows[i].status));
		if (rows[i].message[0] != '\0')
			T_OK(sp_buf_printf(&want, "grpc-message=%s;", rows[i].message));
		T_EQ_STR(sp_buf_view(&p.raw.trailers), sp_buf_view(&want));
		T_EQ_U64(sp_grpc_server_n_calls(p.app.server), 0);
	}
}

/* ---- responses by hand ---- */

typedef struct answer {
	uint16_t http;
	const char *type, *head_name, *head_value; /* one more field */
	sp_str body;
	const char *status, *message; /* of the trailers; NULL: none */
	uint32_t reset;               /* instead of an end; 0 = no */
} answer;

static void answer_give(void *arg, sp_http_exchange *ex)
{
	const answer *a = *(const answer **)arg;
	sp_http_header h[2] = {{SP_STR("content-type"), sp_str_c(a->type)},
			       {sp_str_c(a->head_name), sp_str_c(a->head_value)}};
	sp_http_header *first = a->type == NULL ? h + 1 : h;
	size_t n = (a->type != NULL) + (size_t)(a->head_name != NULL);
	sp_http_header t[2] = {{SP_STR("grpc-status"), sp_str_c(a->status)},
			       {SP_STR("grpc-message"), sp_str_c(a->message)}};
	sp_code code;
	if (a->http == 0) {
		sp_http_reset(ex, a->reset);
		return;
	}
	if (a->status == NULL && a->reset == 0) {
		code = sp_http_respond(ex, a->http, first, n, a->body, NULL);
	} else {
		code = sp_http_begin(ex, a->http, first, n, NULL);
		if (code == SP_OK)
			code = sp_http_write(ex, a->body, NULL);
		if (code == SP_OK && a->reset == 0)
			code = sp_http_end(ex, t, a->message == NULL ? 1 : 2, NULL);
	}
	if (code != SP_OK || (a->reset != 0))
		sp_http_reset(ex, a->reset);
}

static sp_code served_by(pair *p, const answer *const *a)
{
	sp_http_server_opts o = {.on_request = answer_give, .arg = (void *)(uintptr_t)a};
	sp_http_server_free(p->app.http.server);
	p->app.http.server = NULL;
	return sp_http_server_new(p->world, &o, &p->app.http.server, T_ERR);
}

SP_TEST(grpc, responses_of_all_kinds)
{
	static const struct {
		answer a;
		int32_t code;
		const char *message;
	} rows[] = {
		{{200, G, NULL, NULL, M, "0", NULL, 0}, SP_RPC_OK, ""},
		{{200, G "+proto", NULL, NULL, M, "0", NULL, 0}, SP_RPC_OK, ""},
		{{200, G, NULL, NULL, M, "7", "no%3B", 0}, SP_RPC_PERMISSION_DENIED, "no;"},
		{{200, G, "grpc-status", "5", SP_STR_INIT(""), NULL, NULL, 0}, SP_RPC_NOT_FOUND, ""},
		{{415, G, "grpc-status", "3", SP_STR_INIT(""), NULL, NULL, 0}, SP_RPC_INVALID_ARGUMENT, ""},
		{{503, G, NULL, NULL, SP_STR_INIT(""), NULL, NULL, 0},
		 SP_RPC_UNAVAILABLE,
		 "unexpected HTTP status code received from server: 503 (Service Unavailable)"},
		{{404, "text/plain", NULL, NULL, SP_STR_INIT("no"), NULL, NULL, 0},
		 SP_RPC_UNIMPLEMENTED,
		 "unexpected HTTP status code received from server: 404 (Not Found); transport: received "
		 "unexpected content-type \"text/plain\""},
		{{401, NULL, NULL, NULL, SP_STR_INIT(""), NULL, NULL, 0},
		 SP_RPC_UNAUTHENTICATED,
		 "unexpected HTTP status code received from server: 401 (Unauthorized); malformed header: "
		 "missing HTTP content-type"},
		{{200, "text/plain", NULL, NULL, SP_STR_INIT("no"), NULL, NULL, 0},
		 SP_RPC_UNKNOWN,
		 "unexpected HTTP status code received from server: 200 (OK); transport: received unexpected "
		 "content-type \"text/plain\""},
		{{200, G, NULL, NULL, M, NULL, NULL, 0},
		 SP_RPC_INTERNAL,
		 "server closed the stream without sending trailers"},
		{{200, G, NULL, NULL, M, "x", NULL, 0},
		 SP_RPC_UNKNOWN,
		 "transport: malformed grpc-status: \"x\""},
		{{200, G, NULL, NULL, SP_STR_INIT(""), "0", NULL, 0},
		 SP_RPC_INTERNAL,
		 "cardinality violation: received no response message from non-server-streaming RPC"},
		{{200, G, NULL, NULL, SP_STR_INIT("\0\0\0\0\0\0\0\0\0\0"), "0", NULL, 0},
		 SP_RPC_INTERNAL,
		 "cardinality violation: expected <EOF> for non server-streaming RPCs, but received another "
		 "message"},
		{{200, G, NULL, NULL, SP_STR_INIT("\0\0\0\0\3x"), "0", NULL, 0},
		 SP_RPC_INTERNAL,
		 "unexpected EOF"},
		{{200, G, "grpc-encoding", "gzip", SP_STR_INIT("\1\0\0\0\1x"), "0", NULL, 0},
		 SP_RPC_INTERNAL,
		 "grpc: Decompressor is not installed for grpc-encoding \"gzip\""},
		{{200, G, "grpc-encoding", "gzip", M, "0", NULL, 0}, SP_RPC_OK, ""},
		{{200, G, "a-bin", "*", M, "0", NULL, 0},
		 SP_RPC_INTERNAL,
		 "transport: malformed a-bin: illegal base64 data at input byte 0"},
		{{0, NULL, NULL, NULL, M, NULL, NULL, 8},
		 SP_RPC_CANCELLED,
		 "stream terminated by RST_STREAM with error code: CANCEL"},
		{{200, G, NULL, NULL, M, NULL, NULL, 11},
		 SP_RPC_RESOURCE_EXHAUSTED,
		 "stream terminated by RST_STREAM with error code: ENHANCE_YOUR_CALM"},
		{{200, G, NULL, NULL, M, NULL, NULL, 99},
		 SP_RPC_UNKNOWN,
		 "stream terminated by RST_STREAM with error code: unknown error code 0x63"},
		{{0, NULL, NULL, NULL, M, NULL, NULL, 7}, SP_RPC_UNAVAILABLE, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		AUTO_PAIR p;
		T_OK(pair_init(&p, 3, 0));
		const answer *a = &rows[i].a;
		T_OK(served_by(&p, &a));
		T_OK(start(&p, 0, "Echo", SP_STR("x"), (sp_grpc_rpc_opts){0}));
		run_for(&p, 10);
		T_EQ_U64(p.got[0].n_ends, 1);
		if (rows[i].message != NULL)
			T_EQ_C(sp_buf_view(&p.got[0].message), rows[i].message);
		T_EQ_I64(p.got[0].code, rows[i].code);
		T_EQ_C(sp_buf_view(&p.got[0].messages), rows[i].code == SP_RPC_OK ? "x" : "");
	}
}
