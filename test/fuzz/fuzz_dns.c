/* SPDX-License-Identifier: Apache-2.0 */
/* DNS packets: what is read as a question can be answered, and the answer reads as one to it. */
#include "network/dns/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_ip(void *arg, const sp_ip *ip, uint32_t ttl_s)
{
	(void)ttl_s;
	*(unsigned *)arg += ip->bytes[15];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static dns_question q;
	dns_reply reply;
	unsigned rcode, sum = 0;
	sp_str packet = {(const char *)data, size};
	(void)!dns_read_reply(packet, &reply, on_ip, &sum);
	if (!dns_read_question(packet, &q, &rcode) || rcode != DNS_NOERROR)
		return 0;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 17);
	(void)sp_buf_str(&out, SP_STR("xy"));
	sp_ip ip = {.v4 = true};
	(void)!dns_reverse_parse((sp_str){q.name.text, q.name.len}, &ip);
	dns_answer a = dns_begin(&out, &q);
	dns_put_ip(&a, DNS_ANSWER, (sp_str){q.name.text, q.name.len}, 5, &ip);
	dns_put_srv(&a, DNS_ANSWER, SP_STR("a.b"), 5, 1, 2, 3, (sp_str){q.name.text, q.name.len});
	dns_put_soa(&a, (sp_str){q.name.text, q.name.len}, 5, 1);
	SP_ASSERT(dns_end(&a, DNS_NOERROR, true, q.udp_bytes) == SP_OK);
	sp_str made = sp_buf_view(&out);
	SP_ASSERT(made.len - 2 <= q.udp_bytes);
	SP_ASSERT(dns_read_reply(sp_str_sub(made, 2, made.len), &reply, on_ip, &sum));
	SP_ASSERT(reply.id == q.id && sp_str_eq(reply.wire_question, q.wire));
	return 0;
}
