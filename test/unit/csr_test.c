/* SPDX-License-Identifier: Apache-2.0 */
#include "io/csr_check.h"

#include "lib/t.h"

/* A request of /O=a/O=system:masters/CN=x. */
static const char request[] = "-----BEGIN CERTIFICATE REQUEST-----\n"
			      "MIHtMIGTAgEAMDExCjAIBgNVBAoMAWExFzAVBgNVBAoMDnN5c3RlbTptYXN0ZXJz\n"
			      "MQowCAYDVQQDDAF4MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdU/8NKM9hc32\n"
			      "/1N4b+DcikQNsoQi714OmwX9VQh/7CgrVjsIrXPN7UK25wAU/3hXSgZilXZvobOb\n"
			      "hOpSUZ69gKAAMAoGCCqGSM49BAMCA0kAMEYCIQCU0R2mntiKQjZzsykuKJixICJO\n"
			      "+pTN+ZgDS2KQiMp1ZgIhAMehmx0WEmLXGjA+NiirVKFr+qjMd8ZEEkAyX+Ma6My1\n"
			      "-----END CERTIFICATE REQUEST-----\n";

SP_TEST(csr, organizations)
{
	sp_str pem = sp_str_c(request);
	T_EQ_C(sp_csr_request_fault(pem), "");
	T_TRUE(sp_csr_has_organization(pem, SP_STR("a")));
	T_TRUE(sp_csr_has_organization(pem, SP_STR("system:masters")));
	T_TRUE(!sp_csr_has_organization(pem, SP_STR("x")));
	T_TRUE(!sp_csr_has_organization(SP_STR(""), SP_STR("a")));
	T_TRUE(!sp_csr_has_organization(SP_STR("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END "
					       "CERTIFICATE REQUEST-----\n"),
					SP_STR("a")));
}
