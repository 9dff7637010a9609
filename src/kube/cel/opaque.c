/* SPDX-License-Identifier: Apache-2.0 */
/* Equality, text and size of values of Kubernetes' libraries. */
#include "kube/cel/opaque.h"

const sp_cel_type *const sp_cel_quantity_type = &cel_t_quantity;

bool cel_opaque_equal(sp_cel_val a, sp_cel_val b)
{
	if (a.type == &cel_t_ip)
		return sp_ip_eq(a.ptr, b.ptr);
	if (a.type == &cel_t_cidr) {
		const sp_cidr *x = a.ptr, *y = b.ptr;
		return sp_ip_eq(&x->ip, &y->ip) && x->n_bits == y->n_bits;
	}
	if (a.type == &cel_t_quantity)
		return sp_qty_cmp(a.ptr, b.ptr) == 0;
	if (a.type == &cel_t_semver)
		return cel_semver_compare(a.ptr, b.ptr) == 0;
	if (a.type == &cel_t_url)
		return sp_str_eq(((const cel_url *)a.ptr)->text, ((const cel_url *)b.ptr)->text);
	return a.ptr == b.ptr;
}

bool cel_opaque_show(sp_buf *out, sp_cel_val v)
{
	char text[SP_IP_TEXT_BYTES];
	if (v.type == &cel_t_ip) {
		(void)sp_buf_append(out, text, sp_ip_print(text, v.ptr));
		return true;
	}
	if (v.type == &cel_t_cidr) {
		const sp_cidr *c = v.ptr;
		(void)sp_buf_append(out, text, sp_ip_print(text, &c->ip));
		(void)sp_buf_printf(out, "/%u", c->n_bits);
		return true;
	}
	if (v.type == &cel_t_url)
		return sp_buf_str(out, ((const cel_url *)v.ptr)->text) == SP_OK;
	return false;
}

uint64_t cel_opaque_size(sp_cel_val v)
{
	if (v.type == &cel_t_ip)
		return ((const sp_ip *)v.ptr)->v4 ? 4 : 16;
	if (v.type == &cel_t_cidr)
		return ((const sp_cidr *)v.ptr)->ip.v4 ? 4 : 16;
	return 1;
}
