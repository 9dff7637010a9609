/* SPDX-License-Identifier: Apache-2.0 */
#include "network/dns/message.h"

#include "base/num.h"

#define HEAD_BYTES 12u
#define LABEL_BYTES 63u
#define POINTERS_MAX 32u
#define NEGATIVE_TTL_MAX_S 30u

/* ---- reading ---- */

typedef struct reader {
	const uint8_t *bytes;
	size_t len, at;
	bool no_pointers; /* a question stands first: there is nothing to point to */
} reader;

static bool take_u16(reader *r, uint16_t *ret)
{
	if (r->len - r->at < 2)
		return false;
	*ret = (uint16_t)(r->bytes[r->at] << 8 | r->bytes[r->at + 1]);
	r->at += 2;
	return true;
}

static bool take_u32(reader *r, uint32_t *ret)
{
	uint16_t high, low;
	if (!take_u16(r, &high) || !take_u16(r, &low))
		return false;
	*ret = (uint32_t)high << 16 | low;
	return true;
}

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static void put_byte(dns_name *n, uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		c |= 0x20;
	if (is_plain(c)) {
		n->text[n->len++] = (char)c;
		return;
	}
	n->text[n->len++] = '\\';
	n->text[n->len++] = (char)('0' + c / 100);
	n->text[n->len++] = (char)('0' + c / 10 % 10);
	n->text[n->len++] = (char)('0' + c % 10);
}

/* Of at most 255 bytes on the wire, so the text has room. `name` may be NULL. */
static bool take_name(reader *r, dns_name *name)
{
	size_t at = r->at, n_wire = 1, n_pointers = 0;
	bool jumped = false;
	if (name != NULL)
		name->len = 0;
	for (;;) {
		if (at >= r->len)
			return false;
		uint8_t c = r->bytes[at++];
		if (c >= 0xc0) {
			if (r->no_pointers || at >= r->len || ++n_pointers > POINTERS_MAX)
				return false;
			size_t to = (size_t)(c & 0x3f) << 8 | r->bytes[at];
			if (!jumped)
				r->at = at + 1;
			if (to >= at - 1) /* only back: no loops */
				return false;
			jumped = true;
			at = to;
			continue;
		}
		if (c > LABEL_BYTES || c > r->len - at)
			return false;
		n_wire += (size_t)c + 1;
		if (c == 0)
			break;
		if (n_wire > DNS_NAME_BYTES)
			return false;
		if (name != NULL && name->len > 0)
			name->text[name->len++] = '.';
		for (uint8_t i = 0; i < c && name != NULL; i++)
			put_byte(name, r->bytes[at + i]);
		at += c;
	}
	if (!jumped)
		r->at = at;
	return true;
}

typedef struct record {
	uint16_t type, class_, n_data;
	uint32_t ttl_s;
	size_t data_at;
} record;

static bool take_record(reader *r, record *ret)
{
	if (!take_name(r, NULL) || !take_u16(r, &ret->type) || !take_u16(r, &ret->class_) ||
	    !take_u32(r, &ret->ttl_s) || !take_u16(r, &ret->n_data) || r->len - r->at < ret->n_data)
		return false;
	ret->data_at = r->at;
	r->at += ret->n_data;
	return true;
}

/* The OPT record among those behind the question. False: malformed. */
static bool take_rest(reader *r, size_t n, dns_question *q)
{
	for (size_t i = 0; i < n; i++) {
		record rec;
		if (!take_record(r, &rec))
			return false;
		if (rec.type != DNS_OPT)
			continue;
		if (q->edns)
			return false; /* RFC 6891: one at most */
		q->edns = true;
		q->udp_bytes = rec.class_ > DNS_UDP_BYTES ? rec.class_ : (uint16_t)DNS_UDP_BYTES;
	}
	return true;
}

bool dns_read_question(sp_str packet, dns_question *ret, unsigned *ret_rcode)
{
	reader r = {.bytes = (const uint8_t *)packet.ptr, .len = packet.len};
	uint16_t flags, n[4];
	*ret = (dns_question){.udp_bytes = DNS_UDP_BYTES};
	*ret_rcode = DNS_FORMERR;
	if (packet.len < HEAD_BYTES || !take_u16(&r, &ret->id) || !take_u16(&r, &flags) ||
	    (flags & 0x8000) != 0)
		return false;
	for (size_t i = 0; i < SP_LEN(n); i++) {
		if (!take_u16(&r, &n[i]))
			return false;
	}
	ret->opcode = flags >> 11 & 15;
	ret->recursion_desired = (flags & 0x0100) != 0;
	if (ret->opcode != 0) {
		*ret_rcode = DNS_NOTIMP;
		return true;
	}
	size_t from = r.at;
	r.no_pointers = true;
	if (n[0] != 1 || !take_name(&r, &ret->name) || !take_u16(&r, &ret->type) ||
	    !take_u16(&r, &ret->class_))
		return true;
	ret->wire = sp_str_sub(packet, from, r.at);
	r.no_pointers = false;
	if (take_rest(&r, (size_t)n[1] + n[2] + n[3], ret))
		*ret_rcode = DNS_NOERROR;
	return true;
}

/* The last figure of a start of authority bounds what is remembered to be not there (RFC 2308). */
static uint32_t minimum_of(const reader *r, const record *rec)
{
	if (rec->type != DNS_SOA || rec->n_data < 20)
		return UINT32_MAX;
	const uint8_t *last = r->bytes + rec->data_at + rec->n_data - 4;
	return (uint32_t)last[0] << 24 | (uint32_t)last[1] << 16 | (uint32_t)last[2] << 8 | last[3];
}

/* The smallest time to live; of an answer without records that of its authority. */
static void count_ttl(dns_reply *ret, const reader *r, const record *rec, size_t section, bool *any)
{
	uint32_t ttl = section > 0 ? SP_MIN(rec->ttl_s, minimum_of(r, rec)) : rec->ttl_s;
	if (section > 0)
		ttl = SP_MIN(ttl, NEGATIVE_TTL_MAX_S);
	if (rec->type == DNS_OPT || (section > 0 && *any))
		return;
	ret->ttl_s = *any ? SP_MIN(ret->ttl_s, ttl) : ttl;
	*any = true;
}

static void tell_address(const reader *r, const record *rec,
			 void (*each)(void *arg, const sp_ip *ip, uint32_t ttl_s), void *arg)
{
	sp_ip ip = {0};
	if (rec->class_ != DNS_IN || each == NULL)
		return;
	if (rec->type == DNS_A && rec->n_data == 4) {
		static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
		memcpy(ip.bytes, v4, sizeof v4);
		memcpy(ip.bytes + 12, r->bytes + rec->data_at, 4);
		ip.v4 = true;
	} else if (rec->type == DNS_AAAA && rec->n_data == 16) {
		memcpy(ip.bytes, r->bytes + rec->data_at, 16);
	} else {
		return;
	}
	each(arg, &ip, rec->ttl_s);
}

bool dns_read_reply(sp_str packet, dns_reply *ret, void (*each)(void *arg, const sp_ip *ip, uint32_t ttl_s),
		    void *arg)
{
	reader r = {.bytes = (const uint8_t *)packet.ptr, .len = packet.len};
	uint16_t flags, n[4], type, class_;
	bool any = false;
	*ret = (dns_reply){0};
	if (!take_u16(&r, &ret->id) || !take_u16(&r, &flags) || (flags & 0x8000) == 0)
		return false;
	for (size_t i = 0; i < SP_LEN(n); i++) {
		if (!take_u16(&r, &n[i]))
			return false;
	}
	ret->rcode = flags & 15;
	ret->truncated = (flags & 0x0200) != 0;
	size_t from = r.at;
	if (n[0] != 1 || !take_name(&r, NULL) || !take_u16(&r, &type) || !take_u16(&r, &class_))
		return false;
	ret->wire_question = sp_str_sub(packet, from, r.at);
	for (size_t s = 0; s < 3; s++) {
		for (size_t i = 0; i < n[s + 1]; i++) {
			record rec;
			if (!take_record(&r, &rec))
				return ret->truncated; /* cut off: what there is will do to say so */
			count_ttl(ret, &r, &rec, s, &any);
			if (s == 0)
				tell_address(&r, &rec, each, arg);
		}
	}
	return true;
}

/* ---- writing ---- */

static void put_u16(sp_buf *out, unsigned v)
{
	const uint8_t bytes[] = {(uint8_t)(v >> 8), (uint8_t)v};
	(void)sp_buf_append(out, bytes, sizeof bytes); /* sticky */
}

static void put_u32(sp_buf *out, uint32_t v)
{
	put_u16(out, v >> 16);
	put_u16(out, v & 0xffff);
}

/* Labels of plain text; what no label can be is cut. */
static void put_labels(sp_buf *out, sp_str name)
{
	sp_str label;
	while (sp_str_next(&name, '.', &label)) {
		label = sp_str_sub(label, 0, LABEL_BYTES);
		if (label.len == 0)
			continue;
		(void)sp_buf_char(out, (char)label.len);
		(void)sp_buf_str(out, label);
	}
	(void)sp_buf_char(out, '\0');
}

dns_answer dns_begin(sp_buf *out, const dns_question *q)
{
	static const uint8_t head[HEAD_BYTES];
	dns_answer a = {.out = out, .q = q, .at = out->len};
	(void)sp_buf_append(out, head, sizeof head);
	(void)sp_buf_str(out, q->wire);
	a.records_at = out->len;
	return a;
}

static void put_head(dns_answer *a, dns_section s, sp_str owner, uint16_t type, uint32_t ttl_s)
{
	size_t *const counts[] = {
		[DNS_ANSWER] = &a->n_answers, [DNS_AUTHORITY] = &a->n_authority, [DNS_MORE] = &a->n_more};
	(*counts[s])++;
	if (sp_str_eq(owner, (sp_str){a->q->name.text, a->q->name.len}))
		put_u16(a->out, 0xc000 | HEAD_BYTES);
	else
		put_labels(a->out, owner);
	put_u16(a->out, type);
	put_u16(a->out, DNS_IN);
	put_u32(a->out, ttl_s);
}

/* Room for the length of data, and the data's length put there. */
static size_t open_data(dns_answer *a)
{
	put_u16(a->out, 0);
	return a->out->len;
}

static void close_data(dns_answer *a, size_t at)
{
	size_t n = a->out->len - at;
	if (sp_buf_code(a->out) != SP_OK)
		return;
	((uint8_t *)a->out->ptr)[at - 2] = (uint8_t)(n >> 8);
	((uint8_t *)a->out->ptr)[at - 1] = (uint8_t)n;
}

void dns_put_ip(dns_answer *a, dns_section s, sp_str owner, uint32_t ttl_s, const sp_ip *ip)
{
	put_head(a, s, owner, ip->v4 ? DNS_A : DNS_AAAA, ttl_s);
	put_u16(a->out, ip->v4 ? 4 : 16);
	(void)sp_buf_append(a->out, ip->bytes + (ip->v4 ? 12 : 0), ip->v4 ? 4 : 16);
}

void dns_put_name(dns_answer *a, dns_section s, sp_str owner, uint16_t type, uint32_t ttl_s, sp_str target)
{
	put_head(a, s, owner, type, ttl_s);
	size_t at = open_data(a);
	put_labels(a->out, target);
	close_data(a, at);
}

void dns_put_srv(dns_answer *a, dns_section s, sp_str owner, uint32_t ttl_s, uint16_t priority,
		 uint16_t weight, uint16_t port, sp_str target)
{
	put_head(a, s, owner, DNS_SRV, ttl_s);
	size_t at = open_data(a);
	put_u16(a->out, priority);
	put_u16(a->out, weight);
	put_u16(a->out, port);
	put_labels(a->out, target);
	close_data(a, at);
}

void dns_put_txt(dns_answer *a, dns_section s, sp_str owner, uint32_t ttl_s, sp_str text)
{
	text = sp_str_sub(text, 0, 255);
	put_head(a, s, owner, DNS_TXT, ttl_s);
	size_t at = open_data(a);
	(void)sp_buf_char(a->out, (char)text.len);
	(void)sp_buf_str(a->out, text);
	close_data(a, at);
}

/* The figures are those CoreDNS serves for a cluster's zone. */
void dns_put_soa(dns_answer *a, sp_str zone, uint32_t ttl_s, uint32_t serial)
{
	static const uint32_t refresh_retry_expire[] = {7200, 1800, 86400};
	put_head(a, DNS_AUTHORITY, zone, DNS_SOA, ttl_s);
	size_t at = open_data(a);
	const sp_str before[] = {SP_STR("ns.dns."), SP_STR("hostmaster.")};
	for (size_t i = 0; i < SP_LEN(before); i++) {
		char text[DNS_NAME_BYTES + 16];
		size_t n = SP_MIN(zone.len, (size_t)DNS_NAME_BYTES);
		memcpy(text, before[i].ptr, before[i].len);
		memcpy(text + before[i].len, zone.ptr, n);
		put_labels(a->out, (sp_str){text, before[i].len + n});
	}
	put_u32(a->out, serial);
	for (size_t i = 0; i < SP_LEN(refresh_retry_expire); i++)
		put_u32(a->out, refresh_retry_expire[i]);
	put_u32(a->out, ttl_s);
	close_data(a, at);
}

static void put_opt(dns_answer *a)
{
	(void)sp_buf_char(a->out, '\0');
	put_u16(a->out, DNS_OPT);
	put_u16(a->out, DNS_EDNS_BYTES);
	put_u32(a->out, 0);
	put_u16(a->out, 0);
	a->n_more++;
}

sp_code dns_end(dns_answer *a, unsigned rcode, bool authoritative, size_t limit)
{
	const dns_question *q = a->q;
	size_t n_opt = q->edns ? 11 : 0;
	bool cut = a->out->len - a->at + n_opt > limit;
	if (cut) {
		a->out->len = a->records_at;
		a->n_answers = a->n_authority = a->n_more = 0;
	}
	if (q->edns)
		put_opt(a);
	if (sp_buf_code(a->out) != SP_OK)
		return sp_buf_code(a->out);
	unsigned flags = 0x8080u | (unsigned)q->opcode << 11 | (authoritative ? 0x0400u : 0) |
			 (cut ? 0x0200u : 0) | (q->recursion_desired ? 0x0100u : 0) | rcode;
	const size_t words[] = {q->id,        flags,          q->wire.len > 0 ? 1 : 0,
				a->n_answers, a->n_authority, a->n_more};
	uint8_t *head = (uint8_t *)a->out->ptr + a->at;
	for (size_t i = 0; i < SP_LEN(words); i++) {
		head[2 * i] = (uint8_t)(words[i] >> 8);
		head[2 * i + 1] = (uint8_t)words[i];
	}
	return SP_OK;
}

sp_code dns_write_query(sp_buf *out, uint16_t id, sp_str name, uint16_t type)
{
	put_u16(out, id);
	put_u16(out, 0x0100); /* recursion desired */
	put_u16(out, 1);
	put_u16(out, 0);
	put_u16(out, 0);
	put_u16(out, 1);
	put_labels(out, name);
	put_u16(out, type);
	put_u16(out, DNS_IN);
	(void)sp_buf_char(out, '\0');
	put_u16(out, DNS_OPT);
	put_u16(out, DNS_EDNS_BYTES);
	put_u32(out, 0);
	put_u16(out, 0);
	return sp_buf_code(out);
}

/* ---- reverse zones ---- */

static bool reverse_v4(sp_str name, sp_ip *ret)
{
	static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
	*ret = (sp_ip){.v4 = true};
	memcpy(ret->bytes, v4, sizeof v4);
	for (size_t i = 0; i < 4; i++) {
		sp_str part;
		uint64_t v;
		if (!sp_str_cut(&name, '.', &part)) {
			part = name;
			name.len = 0;
			if (i != 3)
				return false;
		}
		if (sp_parse_u64(part, 0, 255, &v, NULL) != SP_OK)
			return false;
		ret->bytes[15 - i] = (uint8_t)v;
	}
	return name.len == 0;
}

static bool reverse_v6(sp_str name, sp_ip *ret)
{
	*ret = (sp_ip){0};
	if (name.len != 63)
		return false;
	for (size_t i = 0; i < 32; i++) {
		char c = name.ptr[2 * i];
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
		if (digit < 0 || (i < 31 && name.ptr[2 * i + 1] != '.'))
			return false;
		ret->bytes[15 - i / 2] |= (uint8_t)(digit << (i % 2 == 0 ? 0 : 4));
	}
	return true;
}

bool dns_reverse_parse(sp_str name, sp_ip *ret)
{
	sp_str v4 = SP_STR(".in-addr.arpa"), v6 = SP_STR(".ip6.arpa");
	if (sp_str_ends(name, v4))
		return reverse_v4(sp_str_sub(name, 0, name.len - v4.len), ret);
	return sp_str_ends(name, v6) && reverse_v6(sp_str_sub(name, 0, name.len - v6.len), ret);
}
