/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/services/pick.h"
#include "lib/t.h"

typedef struct used {
	bool taken[64];
	uint64_t n_asked;
} used;

static bool is_taken(void *arg, uint64_t i)
{
	used *u = arg;
	u->n_asked++;
	return u->taken[i];
}

SP_TEST(api_pick, kept_ones_come_last)
{
	const api_range r = {.n = 20, .n_kept = 16};
	used u = {0};
	uint64_t got = 0;
	for (uint64_t k = 0; k < 4; k++) {
		T_TRUE(api_pick(&r, 1, is_taken, &u, &got));
		T_EQ_U64(got, 16 + (1 + k) % 4);
		u.taken[got] = true;
	}
	for (uint64_t k = 0; k < 16; k++) {
		T_TRUE(api_pick(&r, 5, is_taken, &u, &got));
		T_EQ_U64(got, (5 + k) % 16);
		u.taken[got] = true;
	}
	T_TRUE(!api_pick(&r, 5, is_taken, &u, &got));
}

SP_TEST(api_pick, an_empty_range_has_nothing)
{
	used u = {0};
	uint64_t got;
	T_TRUE(!api_pick(&(api_range){0, 0}, 7, is_taken, &u, &got));
	T_EQ_U64(u.n_asked, 0);
}

static void check_range(const char *cidr, uint64_t n, uint64_t n_kept, const char *first, const char *last)
{
	api_ip_range r;
	sp_err err;
	char text[SP_IP_TEXT_BYTES];
	T_OK(api_ip_range_parse(sp_str_c(cidr), &r, &err));
	T_EQ_U64(r.numbers.n, n);
	T_EQ_U64(r.numbers.n_kept, n_kept);
	sp_ip ip = api_ip_range_at(&r, 0);
	T_EQ_STR(((sp_str){text, sp_ip_print(text, &ip)}), sp_str_c(first));
	T_TRUE(api_ip_range_has(&r, &ip));
	ip = api_ip_range_at(&r, n - 1);
	T_EQ_STR(((sp_str){text, sp_ip_print(text, &ip)}), sp_str_c(last));
	T_TRUE(api_ip_range_has(&r, &ip));
}

SP_TEST(api_pick, addresses_of_a_prefix)
{
	check_range("10.96.0.0/16", 65534, 256, "10.96.0.1", "10.96.255.254");
	check_range("10.96.0.77/24", 254, 16, "10.96.0.1", "10.96.0.254");
	check_range("192.168.1.0/30", 2, 0, "192.168.1.1", "192.168.1.2");
	check_range("fd00::/112", 65535, 256, "fd00::1", "fd00::ffff");
}

SP_TEST(api_pick, what_hosts_may_not_have)
{
	static const char *const out[] = {"10.96.0.0", "10.96.0.255", "10.96.1.0", "fd00::1"};
	api_ip_range r;
	sp_err err;
	sp_ip ip;
	T_OK(api_ip_range_parse(SP_STR("10.96.0.0/24"), &r, &err));
	for (size_t i = 0; i < SP_LEN(out); i++) {
		T_TRUE(sp_ip_parse(sp_str_c(out[i]), &ip));
		T_TRUE(!api_ip_range_has(&r, &ip));
	}
	T_CODE(api_ip_range_parse(SP_STR("fd00::/56"), &r, &err), SP_EINVAL);
	T_CODE(api_ip_range_parse(SP_STR("10.96.0.0"), &r, &err), SP_EINVAL);
	T_OK(api_ip_range_parse(SP_STR("10.0.0.1/32"), &r, &err));
	T_EQ_U64(r.numbers.n, 0);
	T_OK(api_ip_range_parse(SP_STR("fd00::/64"), &r, &err));
}

SP_TEST(api_pick, ranges_of_ports)
{
	static const char *const bad[] = {"",    "30000",   "30000-",     "-1", "0-5",
					  "9-8", "1-65536", "65000+1000", "a-b"};
	api_port_range r;
	sp_err err;
	T_OK(api_port_range_parse(SP_STR("30000-32767"), &r, &err));
	T_EQ_I64(r.first, 30000);
	T_EQ_I64(r.last, 32767);
	T_EQ_U64(api_port_range_numbers(&r).n, 2768);
	T_EQ_U64(api_port_range_numbers(&r).n_kept, 86);
	T_OK(api_port_range_parse(SP_STR("100+10"), &r, &err));
	T_EQ_I64(r.last, 110);
	for (size_t i = 0; i < SP_LEN(bad); i++)
		T_CODE(api_port_range_parse(sp_str_c(bad[i]), &r, &err), SP_EINVAL);
}
