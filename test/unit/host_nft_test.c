/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nftables commands as messages to the kernel. What libnftables makes of the same text is the oracle: both
 * run it in a network of their own, and the listings must be alike.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "host/nft/message.h"
#include "host/nft/nft.h"
#include "lib/t.h"
#include "network/bridge.h"
#include "network/services/rules.h"

/* ---- the oracle ---- */

static struct {
	void *(*ctx_new)(uint32_t flags);
	void (*ctx_free)(void *ctx);
	int (*run)(void *ctx, const char *text);
	int (*buffer_output)(void *ctx);
	int (*buffer_error)(void *ctx);
	const char *(*output)(void *ctx);
	const char *(*error)(void *ctx);
} nft;

static void open_oracle(void)
{
	void *lib = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
	if (t_torture())
		t_skip("the kernel's transactions have no allocation of ours");
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0)
		t_skip("a network of its own needs root");
	if (lib == NULL)
		t_skip("no libnftables.so.1");
	*(void **)&nft.ctx_new = dlsym(lib, "nft_ctx_new");
	*(void **)&nft.ctx_free = dlsym(lib, "nft_ctx_free");
	*(void **)&nft.run = dlsym(lib, "nft_run_cmd_from_buffer");
	*(void **)&nft.buffer_output = dlsym(lib, "nft_ctx_buffer_output");
	*(void **)&nft.buffer_error = dlsym(lib, "nft_ctx_buffer_error");
	*(void **)&nft.output = dlsym(lib, "nft_ctx_get_output_buffer");
	*(void **)&nft.error = dlsym(lib, "nft_ctx_get_error_buffer");
}

/* What it prints; a failure is one of the test. */
static void oracle(const char *commands, sp_str *ret)
{
	void *ctx = nft.ctx_new(0);
	T_TRUE(ctx != NULL && nft.buffer_output(ctx) == 0 && nft.buffer_error(ctx) == 0);
	if (nft.run(ctx, commands) != 0)
		T_FAIL("libnftables: %.200s", nft.error(ctx));
	*ret = sp_arena_try_dup(T_ARENA, sp_str_c(nft.output(ctx)));
	nft.ctx_free(ctx);
	T_TRUE(ret->ptr != NULL);
}

/* The rules after these commands, one transaction after the other. */
static void listing(const sp_str *commands, size_t n, bool ours, sp_str *ret)
{
	oracle("flush ruleset", ret);
	for (size_t i = 0; i < n; i++) {
		T_TRUE(commands[i].ptr != NULL); /* out of memory before */
		if (ours)
			T_OK(host_nft_run(commands[i], T_ERR));
		else
			oracle(commands[i].ptr, ret);
	}
	oracle("list ruleset", ret);
}

static void same(const sp_str *commands, size_t n)
{
	sp_str theirs = {NULL, 0}, ours = {NULL, 0};
	listing(commands, n, false, &theirs);
	listing(commands, n, true, &ours);
	T_TRUE(theirs.len > 0);
	T_EQ_STR(ours, theirs);
}

/* ---- texts ---- */

static void copy(sp_buf *b, sp_str *ret)
{
	T_OK(sp_buf_char(b, '\0'));
	*ret = sp_arena_try_dup(T_ARENA, sp_buf_view(b));
	T_TRUE(ret->ptr != NULL);
	ret->len--;
	sp_buf_clear(b);
}

static void rules_of(net_family family, unsigned n_endpoints, unsigned affinity_s, net_rules *ret)
{
	static const net_place here = {.node = SP_STR_INIT("n1"), .zone = SP_STR_INIT("")};
	bool v4 = family == NET_V4;
	net_service s = {0};
	SP_AUTO_BUF slice;
	sp_buf_init(&slice, 1 << 20);
	(void)sp_buf_printf(
		&slice,
		"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-1\"},\"addressType\":\"%s\","
		"\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":8080}],\"endpoints\":[",
		v4 ? "IPv4" : "IPv6");
	for (unsigned i = 0; i < n_endpoints; i++)
		(void)sp_buf_printf(&slice, "%s{\"addresses\":[\"%s%u\"],\"nodeName\":\"n1\"}",
				    i == 0 ? "" : ",", v4 ? "10.88.0." : "fd00::", i + 2);
	(void)sp_buf_str(&slice, SP_STR("]}"));
	sp_str service = sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\"},\"spec\":{\"type\":\"LoadBalancer\","
		"\"clusterIPs\":[\"%s\"],\"externalIPs\":[\"%s\"],\"externalTrafficPolicy\":\"Local\","
		"\"sessionAffinity\":\"%s\",\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":%u}},"
		"\"loadBalancerSourceRanges\":[\"%s\",\"%s\"],"
		"\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":80,\"nodePort\":30080}]}}",
		v4 ? "10.96.0.10" : "fd01::10", v4 ? "192.0.2.7" : "2001:db8::7",
		affinity_s > 0 ? "ClientIP" : "None", affinity_s, v4 ? "198.51.100.0/24" : "2001:db8:1::/48",
		v4 ? "203.0.113.0/25" : "2001:db8:2::/57");
	sp_str text = sp_buf_view(&slice);
	T_OK(sp_buf_code(&slice));
	T_TRUE(service.ptr != NULL);
	T_OK(net_service_read(T_ARENA, service, &text, 1, family, &here, &s, T_ERR));
	T_OK(net_rules_of(T_ARENA, &s, family, ret, T_ERR));
}

/* ---- tests ---- */

SP_TEST(host_nft, services_as_nft_makes_them)
{
	open_oracle();
	for (net_family f = 0; f < NET_FAMILIES; f++) {
		static const unsigned endpoints[] = {0, 1, 250, 3}, affinity[] = {0, 0, 0, 60};
		net_rules states[SP_LEN(endpoints) + 2] = {0}; /* the first and the last are empty */
		sp_str texts[SP_LEN(states)];
		SP_AUTO_BUF out;
		sp_buf_init(&out, 4 << 20);
		T_OK(net_rules_setup(&out));
		copy(&out, &texts[0]);
		for (size_t i = 1; i < SP_LEN(states); i++) {
			if (i <= SP_LEN(endpoints))
				rules_of(f, endpoints[i - 1], affinity[i - 1], &states[i]);
			T_OK(net_rules_take(&states[i - 1], &states[i], f, &out));
			T_OK(net_rules_put(&states[i - 1], &states[i], f, &out));
			copy(&out, &texts[i]);
			t_row("family %d, %zu transactions", (int)f, i + 1);
			same(texts, i + 1);
		}
	}
}

SP_TEST(host_nft, prefixes_of_services_as_nft_makes_them)
{
	static sp_str v4[] = {SP_STR_INIT("10.96.0.0/12"), SP_STR_INIT("10.200.3.0/25")},
		      v6[] = {SP_STR_INIT("fd01::/108")};
	const net_strs cidrs[NET_FAMILIES] = {[NET_V4] = {v4, SP_LEN(v4)}, [NET_V6] = {v6, SP_LEN(v6)}};
	open_oracle();
	for (net_family f = 0; f < NET_FAMILIES; f++) {
		net_rules none = {0}, some = {0};
		sp_str texts[2];
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1 << 20);
		T_OK(net_rules_setup(&out));
		copy(&out, &texts[0]);
		T_OK(net_rules_of_cidrs(T_ARENA, &cidrs[f], f, &some, T_ERR));
		T_OK(net_rules_put(&none, &some, f, &out));
		copy(&out, &texts[1]);
		t_row("family %d", (int)f);
		same(texts, SP_LEN(texts));
	}
}

SP_TEST(host_nft, ports_of_pods_as_nft_makes_them)
{
	static const char *const cidrs[] = {"10.88.0.0/25", "fd00:88::/64"};
	open_oracle();
	for (size_t i = 0; i < SP_LEN(cidrs); i++) {
		network_port ports[3] = {{.protocol = SP_CRI_TCP, .host_port = 8080, .pod_port = 80},
					 {.protocol = SP_CRI_UDP, .host_port = 53, .pod_port = 5353},
					 {.protocol = SP_CRI_SCTP, .host_port = 9, .pod_port = 10}};
		sp_list all;
		sp_cidr pods;
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1 << 20);
		sp_list_init(&all);
		T_TRUE(sp_cidr_parse(sp_str_c(cidrs[i]), &pods));
		for (size_t k = 0; k < SP_LEN(ports); k++) {
			T_TRUE(sp_ip_parse(i == 0 ? SP_STR("10.88.0.9") : SP_STR("fd00:88::9"),
					   &ports[k].pod));
			ports[k].host = (sp_ip){.v4 = i == 0};
			sp_list_push_back(&all, &ports[k].node);
		}
		T_TRUE(sp_ip_parse(i == 0 ? SP_STR("192.0.2.1") : SP_STR("2001:db8::1"), &ports[2].host));
		network_ports_write(&out, SP_STR("b0"), &pods, &pods, &all);
		sp_str twice[2];
		copy(&out, &twice[0]);
		twice[1] = twice[0];
		t_row("%s", cidrs[i]);
		same(twice, 2);
	}
}

/* A transaction that is refused changes nothing, and the first line that was wrong is named. */
SP_TEST(host_nft, refusals_of_the_kernel)
{
	open_oracle();
	sp_err err = {0};
	sp_str before, now;
	const sp_str good =
		SP_STR("add table ip t\nadd chain ip t c { type filter hook input priority 0 ; }\n");
	T_OK(host_nft_run(good, T_ERR));
	oracle("list ruleset", &before);
	T_CODE(host_nft_run(
		       SP_STR("add chain ip t d\n\ndelete chain ip t nowhere\ndelete chain ip t never\n"),
		       &err),
	       SP_ENOTFOUND);
	T_TRUE(strstr(err.msg, "delete chain ip t nowhere") != NULL);
	T_EQ_U64((unsigned)err.sys_errno, ENOENT);
	oracle("list ruleset", &now);
	T_EQ_STR(now, before);
	/* A loop of chains is found at the end of the batch. */
	T_TRUE(host_nft_run(SP_STR("add chain ip t d\nadd rule ip t c jump d\nadd rule ip t d jump c\n"),
			    &err) != SP_OK);
	oracle("list ruleset", &now);
	T_EQ_STR(now, before);
	T_OK(host_nft_run(SP_STR(""), T_ERR));
	T_OK(host_nft_ask(T_ERR));
	T_OK(host_nft_run(SP_STR("\n"), T_ERR));
	T_OK(host_nft_run(SP_STR("delete table ip t"), T_ERR));
	oracle("list ruleset", &now);
	T_EQ_U64(now.len, 0);
}

SP_TEST(host_nft, lines_that_are_not_understood)
{
	static const char *const bad[] = {
		"add",
		"add table inet t",
		"add table ip",
		"add table ip t x",
		"grow table ip t",
		"add chain ip t c { type route hook output priority 0 ; }",
		"add chain ip t c { type nat hook nowhere priority 0 ; }",
		"add chain ip t c { type nat hook output priority much ; }",
		"add chain ip t c { type nat hook output priority 0 ;",
		"add map ip t m { type ipv4_addr . mark : verdict ; }",
		"add map ip t m { type ipv6_addr . ipv6_addr . inet_proto : verdict ; }",
		"add set ip t s { type ipv4_addr ; flags dynamic,timeout ; timeout 0s ; }",
		"add element ip t m { fd00::1 : drop }",
		"add element ip t m { 10.0.0.1 : leave }",
		"add element ip t m { 10.0.0.1 . tcp . 65536 : drop }",
		"add rule ip t c ip saddr 10.0.0.0/33 drop",
		"add rule ip t c ip saddr fd00::1 drop",
		"add rule ip t c tcp dport http drop",
		"add rule ip t c numgen random mod 0 vmap { 0 : drop }",
		"add rule ip t c numgen random mod 2 vmap { 2 : drop }",
		"add rule ip t c dnat to 10.0.0.1",
		"add rule ip6 t c dnat to fd00::1:80",
		"add rule ip t c iifname b0 drop",
		"add rule ip t c iifname \"a-name-too-long-0\" drop",
		"add rule ip t c goto",
		"add rule ip t c meta mark set 1",
		"add rule ip t c ip daddr . th dport vmap map",
	};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		SP_AUTO_BUF out;
		sp_err err = {0};
		sp_buf_init(&out, 1 << 16);
		t_row("%s", bad[i]);
		T_CODE(nft_compile(sp_str_c(bad[i]), &out, &err), SP_EINVAL);
		T_TRUE(strstr(err.msg, bad[i]) != NULL);
	}
}

/* Messages are counted by their lines; only the last asks for an answer. */
SP_TEST(host_nft, a_batch_is_framed)
{
	SP_AUTO_BUF out;
	static const struct {
		uint16_t type;
		uint32_t seq;
		bool acknowledged;
	} rows[] = {
		{NFNL_MSG_BATCH_BEGIN, 0, false},
		{NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, 1, false},
		{NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET, 3, false},
		{NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM, 3, false},
		{NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, 3, true},
		{NFNL_MSG_BATCH_END, 0, false},
	};
	size_t at = 0;
	sp_buf_init(&out, 1 << 16);
	T_OK(nft_compile(
		SP_STR("add table ip t\n \nadd rule ip t c numgen random mod 1 vmap { 0 : goto d }\n"), &out,
		T_ERR));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		struct nlmsghdr head;
		T_TRUE(out.len - at >= sizeof head);
		memcpy(&head, out.ptr + at, sizeof head);
		t_row("message %zu", i);
		T_EQ_U64(head.nlmsg_type, rows[i].type);
		T_EQ_U64(head.nlmsg_seq, rows[i].seq);
		T_TRUE(((head.nlmsg_flags & NLM_F_ACK) != 0) == rows[i].acknowledged);
		T_TRUE(head.nlmsg_len >= sizeof head && head.nlmsg_len <= out.len - at);
		at += head.nlmsg_len;
	}
	T_EQ_U64(at, out.len);
	/* No room is an error, never a half. */
	SP_AUTO_BUF small;
	sp_buf_init(&small, 64);
	T_CODE(nft_compile(SP_STR("add table ip t\nadd chain ip t c\n"), &small, T_ERR), SP_ETOOLARGE);
}
