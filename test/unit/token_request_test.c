/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are asked for, and how long they live. */
#include "lib/t.h"
#include "lib/api_ask.h"

#define TOKEN "/api/v1/namespaces/default/serviceaccounts/default/token"

/* Longer ones are shortened to what the server was told. */
SP_TEST(token_request, no_longer_than_that)
{
	static const t_ask_row rows[] = {
		{{.method = "POST",
		  .path = TOKEN,
		  .body = SP_STR_INIT("{\"spec\":{\"expirationSeconds\":3600}}")},
		 201,
		 "*\"expirationSeconds\":3600,*"},
		{{.method = "POST",
		  .path = TOKEN,
		  .body = SP_STR_INIT("{\"spec\":{\"expirationSeconds\":90000}}")},
		 201,
		 "*\"expirationSeconds\":7200,*"},
		{{.method = "POST",
		  .path = TOKEN,
		  .body = SP_STR_INIT("{\"spec\":{\"boundObjectRef\":{\"apiVersion\":\"a/b/c\"}}}")},
		 400,
		 "*\"message\":\"cannot bind token to object of type /, Kind=\"*"},
	};
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	f->api.token_max_s = 7200;
	T_TRUE(t_api_guard(&f->api));
	t_ask_all(f, rows, SP_LEN(rows));
}
