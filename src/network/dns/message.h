/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages: reading a question and the answers of other servers, writing answers. Nothing in a packet is
 * trusted: names are at most 255 bytes, pointers only go back. RFC 1035, 2782, 6891.
 */
#pragma once

#include "base/buf.h"
#include "base/ip.h"

#define DNS_NAME_BYTES 255u
#define DNS_UDP_BYTES 512u   /* without EDNS */
#define DNS_EDNS_BYTES 1232u /* what we say that we take, and send at most */
#define DNS_TCP_BYTES 65535u

enum {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_OPT = 41,
	DNS_ANY = 255
};
enum { DNS_IN = 1 };
enum { DNS_NOERROR, DNS_FORMERR, DNS_SERVFAIL, DNS_NXDOMAIN, DNS_NOTIMP, DNS_REFUSED };

/* A name as text: lower case, without the last dot, bytes outside of [a-z0-9_-] escaped as \DDD; "" is the
 * root. */
typedef struct dns_name {
	uint16_t len;
	char text[4 * DNS_NAME_BYTES];
} dns_name;

typedef struct dns_question {
	uint16_t id, type, class_;
	bool recursion_desired;
	uint8_t opcode;
	bool edns;
	uint16_t udp_bytes; /* of the client, 512 to 65535 */
	dns_name name;
	sp_str wire; /* of the question: name, type, class as they came */
} dns_question;

/*
 * Reads a query. False: no answer at all (too short for a head, or an answer itself). *ret_rcode is
 * DNS_NOERROR, or what is to be answered instead: FORMERR, NOTIMP (an opcode other than QUERY).
 */
bool dns_read_question(sp_str packet, dns_question *ret, unsigned *ret_rcode) SP_MUST_USE;

/* An answer being written: head and question first, then records; counts are filled in by dns_end. */
typedef struct dns_answer {
	sp_buf *out;
	const dns_question *q;
	size_t n_answers, n_authority, n_more;
	size_t at, records_at; /* where the message and its first record stand in `out` */
} dns_answer;

/* Behind what stands in `out` already. */
dns_answer dns_begin(sp_buf *out, const dns_question *q);
/* Sections in this order: answers, authority, more. `owner` as text; equal to the question's it is a pointer.
 */
typedef enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_MORE } dns_section;
void dns_put_ip(dns_answer *a, dns_section s, sp_str owner, uint32_t ttl_s, const sp_ip *ip);
void dns_put_name(dns_answer *a, dns_section s, sp_str owner, uint16_t type, uint32_t ttl_s, sp_str target);
void dns_put_srv(dns_answer *a, dns_section s, sp_str owner, uint32_t ttl_s, uint16_t priority,
		 uint16_t weight, uint16_t port, sp_str target);
void dns_put_txt(dns_answer *a, dns_section s, sp_str owner, uint32_t ttl_s, sp_str text);
/* The start of authority of a zone: for answers that say "nothing of that". */
void dns_put_soa(dns_answer *a, sp_str zone, uint32_t ttl_s, uint32_t serial);
/*
 * Head, counts and OPT. Above `limit` bytes the records are dropped and TC is set (the client comes again by
 * TCP). SP_ENOMEM, SP_ETOOLARGE: of the buffer.
 */
sp_code dns_end(dns_answer *a, unsigned rcode, bool authoritative, size_t limit);

/* Writes a query of ours. */
sp_code dns_write_query(sp_buf *out, uint16_t id, sp_str name, uint16_t type);

/*
 * Another server's answer: calls `each` with the addresses in it. Returns false when it is malformed or does
 * not answer that id and question. *ret_ttl_s is the smallest of its records (of the SOA when there are
 * none, capped).
 */
typedef struct dns_reply {
	uint16_t id;
	unsigned rcode;
	bool truncated;
	uint32_t ttl_s;
	sp_str wire_question;
} dns_reply;
bool dns_read_reply(sp_str packet, dns_reply *ret, void (*each)(void *arg, const sp_ip *ip, uint32_t ttl_s),
		    void *arg) SP_MUST_USE;

/* The names of reverse zones: "5.0.88.10.in-addr.arpa" and nibbles of ip6.arpa. False: another name. */
bool dns_reverse_parse(sp_str name, sp_ip *ret) SP_MUST_USE;
