BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'memory','2025-06-11 12:00:00',1,X'7A85E4E3063A73B14541480709A45798327A71EC0770F6FC5C90A34F5F7D946E3A12736335536FDEF158F1A4F120A378',1082385);
INSERT INTO "_sqlx_migrations" VALUES(2,'many machines','2025-06-11 12:00:00',1,X'0158F7A30CC6ED56E8A7E87B64CD2B279CBFCA5CED1268ED90317F3B954581016BC8EA3CC82BFB4AFC8DF51C010F566F',277046);
INSERT INTO "_sqlx_migrations" VALUES(3,'statuses','2025-06-11 12:00:00',1,X'07CCB5D675A4FAF87C5961FB6AC96E223108618D7DDDFCDD0666D7D93FA7549B3AA26B052A40DCAF9D5F65D5C30B9F1E',138027);
INSERT INTO "_sqlx_migrations" VALUES(4,'orders','2025-06-11 12:00:00',1,X'80954CEE5FE95CC10CD3ADDD0F97DE2A71FC94F1ECF9912CFB3A574AF46E3B12678518E2C752CB8B899CCB710DCD90B8',445549);
INSERT INTO "_sqlx_migrations" VALUES(5,'witness','2025-06-11 12:00:00',1,X'94B80364C823BEE8C837129BACF5C42F550798A400AE16D2E223A847D9A3818175FAAD87C829275FB48B5E1D5EE53636',164427);
INSERT INTO "_sqlx_migrations" VALUES(6,'ordered','2025-06-11 12:00:00',1,X'0D31988D707EDF76BD119EC7A3197206B73A8955653C69448152748D60B58747BDDBD6481BAF50D5CFD1F45CFC71FE73',981194);
INSERT INTO "_sqlx_migrations" VALUES(7,'asked','2025-06-11 12:00:00',1,X'270D1FB1003B6A48F1C6E5FE36E4845CADFADB9888435F030B74C85CD949D1BAD1E8F4299C90775E046FDF20270F0A3E',944868);
CREATE TABLE blocks (
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    level       TEXT    NOT NULL,
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (customer, destination, level)
) WITHOUT ROWID;
INSERT INTO "blocks" VALUES('fay','adapty','gold','anna','fraud',1749643212771);
CREATE TABLE details (
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    value       TEXT    NOT NULL,                -- JSON; null: it is to be gone
    who         TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (customer, destination, name)
) WITHOUT ROWID;
INSERT INTO "details" VALUES('ana','adapty','plan','{"text":"team"}','crm',1749643200494);
INSERT INTO "details" VALUES('ana','adapty','seats','{"number":"5"}','crm',1749643200494);
INSERT INTO "details" VALUES('ana','adapty','tier','null','crm',1749643202578);
CREATE TABLE handovers (
    account  TEXT NOT NULL,
    customer TEXT NOT NULL,
    PRIMARY KEY (account, customer)
) WITHOUT ROWID;
INSERT INTO "handovers" VALUES('stripe:cus_x19ezbknux6c9o','lou');
CREATE TABLE inbox (
    id       TEXT    NOT NULL PRIMARY KEY,       -- source:event, or source:connect/event
    kind     TEXT    NOT NULL,
    account  TEXT,                               -- the account it rang for
    object   TEXT,                               -- the source's object it is about
    outcome  TEXT    NOT NULL CHECK (outcome IN ('rung', 'nobody', 'other_mode', 'unreadable')),
    created  INTEGER NOT NULL,
    received INTEGER NOT NULL,
    body     TEXT                                -- only with inbox.keep_bodies, and for what could not be read
) WITHOUT ROWID;
INSERT INTO "inbox" VALUES('stripe:evt_010qkndf7m6tmozxeuzg0l6k','invoice.paid','stripe:cus_ij8mjen3k5975y','in_uxlxme05ah2ca8pd4zme3064','rung',1748811600000,1749643218899,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_09d2fs9lawzl5083njxzyo7k','customer.subscription.updated','stripe:cus_ldoouj4rdoqu6s','sub_9kmttjjaiaemoz4q8jhex36v','rung',1748815200000,1749643218936,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_0li87la25nwowop1tn09p2br','customer.subscription.created','stripe:cus_86qh2ljzhenmbc','sub_wdomllyimkcedrmyuw02vwbf','rung',1748840400000,1749643223350,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_155vtblg6p72w6tehxejv23c','customer.subscription.updated','stripe:cus_7tghoign9hir2k','sub_v0fm82v6enm3zpp1ixxyag2n','rung',1748793600000,1749643204590,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_22fv6uotemwdus6vtwgnwhc4','customer.subscription.updated','stripe:cus_86qh2ljzhenmbc','sub_wdomllyimkcedrmyuw02vwbf','rung',1748840400000,1749643223357,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_3jd4qxq93u08d4xrh5o8jx8e','customer.subscription.updated','stripe:cus_97o6l41g7mrx7m','sub_xunb4o0zcsf9fmuu2583yb7p','rung',1748818800000,1749643218969,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_3rqwk2lf74tfwg6xrfmri09e','invoice.paid','stripe:cus_09ytiuankodt8s','in_c3v3lu8pu0pykjws1kapkf8y','rung',1748826000000,1749643221197,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_3t2jsot3ac3lbgx507y4yyb4','invoice.paid','stripe:cus_lb9fqg2bngnzai','in_wpmqtggdx7z4z06lac520tao','rung',1748836800000,1749643223339,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_64gwduw1vwhl5qshk2jo5t5j','customer.subscription.created','stripe:cus_vp8l895z679k54','sub_iw6ar94ybtxc58py5bk0bm57','rung',1748808000000,1749643218850,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_8id85swccss6uak04rwpe512','customer.subscription.created','stripe:cus_w34hk85a830kgn','sub_ka3njs4sd9owadihp0xikz4q','rung',1748782800000,1749643200393,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_9whp5vb9z6eeeha95f2b3ma3','customer.subscription.created','stripe:cus_x19ezbknux6c9o','sub_lo83jbj6z3a4u076qojo9f9r','rung',1748833200000,1749643221275,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_9x07ixz205oj3y05a2i2e44w','invoice.paid','stripe:cus_7f73h4obdpsx4a','in_j94e0o2cn0k2rhal0rpggk4g','rung',1748804400000,1749643212741,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_angyzneb3gzecg5fmhsypj3e','customer.subscription.deleted','stripe:cus_7tghoign9hir2k','sub_v0fm82v6enm3zpp1ixxyag2n','rung',1748797200000,1749643204610,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_aygdozdpofi8wti5uoqx616d','customer.subscription.created','stripe:cus_ij8mjen3k5975y','sub_6q6s2e1mpbezwwf2exqpcv61','rung',1748811600000,1749643218895,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_azuv41u34b8brvluo0tn5l1f','customer.subscription.updated','stripe:cus_w34hk85a830kgn','sub_ka3njs4sd9owadihp0xikz4q','rung',1748782800000,1749643200410,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_bdyck49gr5e3b1r35oz9a1ag','customer.subscription.updated','stripe:cus_x19ezbknux6c9o','sub_lo83jbj6z3a4u076qojo9f9r','rung',1748833200000,1749643221280,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_bpyr9vpuc4yxvf4uxvxnbjdf','customer.subscription.created','stripe:cus_zuq04bysov5cd0','sub_nho5nbxbt1tovh1qi4x0hcd3','rung',1748847600000,1749643226856,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_c4qjoe1p9x5e64p569x7ow97','customer.subscription.created','stripe:cus_09ytiuankodt8s','sub_owwy1u96pu156nm2riy0eq8v','rung',1748826000000,1749643221194,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_cfdk47bwhdiyedjztx7axg6q','customer.subscription.updated','stripe:cus_ij8mjen3k5975y','sub_6q6s2e1mpbezwwf2exqpcv61','rung',1748811600000,1749643218902,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_d7089igqt3p6u1qtko8rfd5q','invoice.paid','stripe:cus_vp8l895z679k54','in_634gb9jggz1pj5zpudw5is5a','rung',1748808000000,1749643218855,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_dv5di6osd7qf534anbnuau2i','charge.refunded','stripe:cus_jx5zbdmy11171h','ch_4aotm96bm115hnmp3x1e9v1y','rung',1748790000000,1749643204562,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_eaaxf6bry99yjibixmjb6t29','customer.subscription.updated','stripe:cus_jx5zbdmy11171h','sub_74j4udlx67pj1g7ljm3r571k','rung',1748786400000,1749643204541,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_eiimezrfhtlvunwxnffikecs','invoice.paid','stripe:cus_b0qzd6h4uxopc6','in_nun9wqe54ohuiqldek3gnacc','rung',1748844000000,1749643226839,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_eln73nzghwlkooqe6iukfb9k','customer.subscription.updated','stripe:cus_09ytiuankodt8s','sub_owwy1u96pu156nm2riy0eq8v','rung',1748826000000,1749643221199,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_f7fdvpr4knvq35g7zaqyv9ba','customer.subscription.updated','stripe:cus_lb9fqg2bngnzai','sub_8iolag1uslbrlnxukaadanal','rung',1748836800000,1749643223342,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_gqw4suwxba9qvhyzsqdqa72d','checkout.session.completed','stripe:cus_jx5zbdmy11171h','cs_test_7sl0mi42vk1uf7ny36yr0angzl8gaph18yir8zyq15de5sfhw7uhyf8r2b','rung',1748786400000,1749643204543,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_hci35493bbmilallx06rlndm','invoice.paid','stripe:cus_zuq04bysov5cd0','in_bo3b7vcuy7hh9ua186t5o2d6','rung',1748847600000,1749643226859,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_i8o7u37pyqqcymslxoxm4n2z','customer.subscription.created','stripe:cus_7tghoign9hir2k','sub_v0fm82v6enm3zpp1ixxyag2n','rung',1748793600000,1749643204586,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_ja0umped2y0zd23dqgtzkl4p','customer.subscription.created','stripe:cus_7f73h4obdpsx4a','sub_v269g4ntiuwpd50ubptbqe4d','rung',1748804400000,1749643212739,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_lmwwqpsivw0ifkxxhw7bti81','customer.subscription.created','stripe:cus_97o6l41g7mrx7m','sub_xunb4o0zcsf9fmuu2583yb7p','rung',1748818800000,1749643218961,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_lrxh1xd4awgovmk7qp9wb052','customer.subscription.updated','stripe:cus_7f73h4obdpsx4a','sub_v269g4ntiuwpd50ubptbqe4d','rung',1748804400000,1749643212745,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_m3kp7shy6mnwcab1ggrutw42','invoice.paid','stripe:cus_4lr26zqmjqra3g','in_ff4c9j4otijf0ekhr5zrvb3m','rung',1748800800000,1749643204636,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_mfx2clxpohxtr9rgiici9y23','invoice.paid','stripe:cus_jx5zbdmy11171h','in_vrhaed0gbdtcfthw8ozwcd1n','rung',1748786400000,1749643204537,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_nfypiq7qzmxa4be539qyqbcl','customer.subscription.created','stripe:cus_b0qzd6h4uxopc6','sub_z7o4wqfnzis14ubmoirrw4c9','rung',1748844000000,1749643226835,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_nobody','price.updated',NULL,'price_gold','nobody',1748779200000,1749643221265,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_ojyatzscx7egke2fv2tk8s9m','customer.subscription.deleted','stripe:cus_09ytiuankodt8s','sub_owwy1u96pu156nm2riy0eq8v','rung',1748829600000,1749643221250,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_othermode','price.updated',NULL,'price_gold','other_mode',1748779200000,1749643221267,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_ovgrwsvj0k7gdsp18g651t7e','invoice.paid','stripe:cus_ldoouj4rdoqu6s','in_x7lzdjitng3f2behyld3486y','rung',1748815200000,1749643218933,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_pb9kqb7ewdexoyadha6py736','invoice.paid','stripe:cus_7tghoign9hir2k','in_jndrr2uoj9aws1zsszt30m2q','rung',1748793600000,1749643204587,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_plxjc2us3fhbmatbjbglc85w','customer.subscription.updated','stripe:cus_vp8l895z679k54','sub_iw6ar94ybtxc58py5bk0bm57','rung',1748808000000,1749643218861,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_qcfxxz5hr4d0mvfz3invhqcy','customer.subscription.updated','stripe:cus_b0qzd6h4uxopc6','sub_z7o4wqfnzis14ubmoirrw4c9','rung',1748844000000,1749643226841,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_qoik3tarou482jmtttptz6by','invoice.paid','stripe:cus_86qh2ljzhenmbc','in_kkms5lxhrqgrr3w94ywr11bi','rung',1748840400000,1749643223354,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_rphtnxc7u3835vepi2wuml88','invoice.paid','stripe:cus_97o6l41g7mrx7m','in_l1lgoofhgyj1tz35s74sph7s','rung',1748818800000,1749643218964,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_rrnpciisny5hw10awwnwe38q','checkout.session.completed','stripe:cs_test_who7w9jkklsktd97mp2nteksj69r0dfsdqdu5b44vqf9c4m01m0pnfmw8g','cs_test_who7w9jkklsktd97mp2nteksj69r0dfsdqdu5b44vqf9c4m01m0pnfmw8g','rung',1748822400000,1749643219025,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_t6fe84nlk3endz53x4ekiyds','customer.subscription.updated','stripe:cus_zuq04bysov5cd0','sub_nho5nbxbt1tovh1qi4x0hcd3','rung',1748847600000,1749643226861,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_v0zdbkx8ozzcmze9wa2azc3v','customer.subscription.created','stripe:cus_4lr26zqmjqra3g','sub_rs67pj55owf2mib6h333pm3j','rung',1748800800000,1749643204634,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_vcdqgxd0qa9t1eaoyd3efe1w','customer.subscription.created','stripe:cus_jx5zbdmy11171h','sub_74j4udlx67pj1g7ljm3r571k','rung',1748786400000,1749643204534,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_wqh6w0sdcpf15lzdz19k4uax','customer.subscription.created','stripe:cus_lb9fqg2bngnzai','sub_8iolag1uslbrlnxukaadanal','rung',1748836800000,1749643223337,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_xsgff4bu2djvnw79nahmr977','customer.subscription.created','stripe:cus_ldoouj4rdoqu6s','sub_9kmttjjaiaemoz4q8jhex36v','rung',1748815200000,1749643218930,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_ylxll0g1vzg6z62soxl98p19','invoice.paid','stripe:cus_w34hk85a830kgn','in_8h1s3s3biucpopr8y297b58t','rung',1748782800000,1749643200401,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_yxw0asvfgy013jvjw3j7qr48','customer.subscription.updated','stripe:cus_4lr26zqmjqra3g','sub_rs67pj55owf2mib6h333pm3j','rung',1748800800000,1749643204639,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_zj211jvyhd2yjt81q1rfc6aa','invoice.paid','stripe:cus_x19ezbknux6c9o','in_9v69ibyp49yh8whhgqftfl9u','rung',1748833200000,1749643221278,NULL);
INSERT INTO "inbox" VALUES('stripe:unreadable_b2b8cbbc9341997bb94118d5','unreadable',NULL,NULL,'unreadable',1749643221268,1749643221269,'{"id":"evt_unreadable","object":"event","type":"invoice.paid"}');
CREATE TABLE ledger (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT    NOT NULL UNIQUE,
    previous    TEXT,
    destination TEXT    NOT NULL,
    environment TEXT    NOT NULL CHECK (environment IN ('live', 'test')),
    customer    TEXT    NOT NULL,
    account     TEXT    NOT NULL,                -- the account whose look intended it
    subject     TEXT    NOT NULL,
    step        TEXT    NOT NULL,                -- JSON
    because     TEXT    NOT NULL,                -- JSON
    state       TEXT    NOT NULL CHECK (state IN ('intended', 'confirmed', 'refused', 'dropped')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL,
    intended_at INTEGER NOT NULL,
    settled_at  INTEGER,
    why         TEXT,
    CHECK ((state = 'intended') = (settled_at IS NULL)),
    CHECK (state <> 'refused' OR why IS NOT NULL)
);
INSERT INTO "ledger" VALUES(1,'5316f150c6943563196261d1f68762e8',NULL,'adapty','test','ana','stripe:cus_w34hk85a830kgn','premium','{"grant":{"level":"premium","until":{"at":"2065-06-01T15:00:00Z"},"starts_at":"2025-06-01T13:00:00Z","store":"stripe","transaction":{"original":"sub_ka3njs4sd9owadihp0xikz4q","id":"sub_ka3njs4sd9owadihp0xikz4q","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_ka3njs4sd9owadihp0xikz4q","end":"2065-06-01T13:00:00Z"}','confirmed',1,1749643200418,1749643200418,1749643200431,NULL);
INSERT INTO "ledger" VALUES(2,'84abd77a40aa67f5b61a15957d830c0f',NULL,'adapty','test','ana','user:cbcc47e2e1850b045de9176f','(details)','{"describe":{"details":{"plan":{"text":"team"},"seats":{"number":"5"},"tier":{"text":"red"}},"gone":[]}}','{"reason":"described"}','confirmed',1,1749643202461,1749643202461,1749643202464,NULL);
INSERT INTO "ledger" VALUES(3,'0e4039c1c5975d31ad0b0018924ad776','84abd77a40aa67f5b61a15957d830c0f','adapty','test','ana','user:cbcc47e2e1850b045de9176f','(details)','{"describe":{"details":{"plan":{"text":"team"},"seats":{"number":"5"}},"gone":["tier"]}}','{"reason":"described"}','confirmed',1,1749643204474,1749643204474,1749643204477,NULL);
INSERT INTO "ledger" VALUES(4,'a7c7fb79989ce3bccbfca05abb283d92',NULL,'adapty','test','ben','stripe:cus_jx5zbdmy11171h','gold','{"grant":{"level":"gold","until":{"at":"2065-06-01T16:00:00Z"},"starts_at":"2025-06-01T14:00:00Z","store":"stripe","transaction":{"original":"sub_74j4udlx67pj1g7ljm3r571k","id":"sub_74j4udlx67pj1g7ljm3r571k","product":"prod_gold","base_plan":"price_gold","price":{"minor":19900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_74j4udlx67pj1g7ljm3r571k","end":"2065-06-01T14:00:00Z"}','confirmed',1,1749643204546,1749643204546,1749643204550,NULL);
INSERT INTO "ledger" VALUES(5,'41cbacf7342a410dc03241e1334e837d','a7c7fb79989ce3bccbfca05abb283d92','adapty','test','ben','stripe:cus_jx5zbdmy11171h','gold','{"revoke":{"level":"gold","refund":"yes"}}','{"reason":"refunded","payment":"in_vrhaed0gbdtcfthw8ozwcd1n"}','confirmed',1,1749643204573,1749643204573,1749643204578,NULL);
INSERT INTO "ledger" VALUES(6,'2c49824e672fb9e85b53bd38baf07361',NULL,'adapty','test','cleo','stripe:cus_7tghoign9hir2k','premium','{"grant":{"level":"premium","until":{"at":"2065-06-01T18:00:00Z"},"starts_at":"2025-06-01T16:00:00Z","store":"stripe","transaction":{"original":"sub_v0fm82v6enm3zpp1ixxyag2n","id":"sub_v0fm82v6enm3zpp1ixxyag2n","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_v0fm82v6enm3zpp1ixxyag2n","end":"2065-06-01T16:00:00Z"}','confirmed',1,1749643204596,1749643204596,1749643204601,NULL);
INSERT INTO "ledger" VALUES(7,'f0bcc63ff2f92f0ead13f2612c9bcc24','2c49824e672fb9e85b53bd38baf07361','adapty','test','cleo','stripe:cus_7tghoign9hir2k','premium','{"revoke":{"level":"premium","refund":"no"}}','{"reason":"ended","chain":"sub_v0fm82v6enm3zpp1ixxyag2n","at":"2025-06-01T17:00:00Z"}','confirmed',1,1749643204618,1749643204618,1749643204621,NULL);
INSERT INTO "ledger" VALUES(8,'cd269943b5aa927f72d5cb917ad7c4c7',NULL,'adapty','test','dan','stripe:cus_4lr26zqmjqra3g','premium','{"grant":{"level":"premium","until":{"at":"2065-06-01T20:00:00Z"},"starts_at":"2025-06-01T18:00:00Z","store":"stripe","transaction":{"original":"sub_rs67pj55owf2mib6h333pm3j","id":"sub_rs67pj55owf2mib6h333pm3j","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_rs67pj55owf2mib6h333pm3j","end":"2065-06-01T18:00:00Z"}','confirmed',1,1749643206658,1749643206658,1749643206663,NULL);
INSERT INTO "ledger" VALUES(9,'8169930f781ba777bf9701228030f523',NULL,'adapty','test','eve','user:a4f19f1479e1e8932b4904ce','premium','{"grant":{"level":"premium","until":{"at":"2090-01-01T00:00:00Z"},"starts_at":null,"store":"adapty","transaction":{"original":"promo_1","id":"promo_1","product":"adapty_server_side_product","base_plan":"","price":null,"offer":null},"sandbox":true}}','{"reason":"promotion","promotion":"promo_1","until":{"at":"2090-01-01T00:00:00Z"}}','confirmed',1,1749643208670,1749643208670,1749643208675,NULL);
INSERT INTO "ledger" VALUES(10,'08fc4407967575fd064baeb62cf103b7',NULL,'adapty','test','eve','user:a4f19f1479e1e8932b4904ce','gold','{"grant":{"level":"gold","until":"lifetime","starts_at":null,"store":"adapty","transaction":{"original":"promo_2","id":"promo_2","product":"adapty_server_side_product","base_plan":"","price":null,"offer":null},"sandbox":true}}','{"reason":"promotion","promotion":"promo_2","until":"lifetime"}','confirmed',1,1749643210683,1749643210683,1749643210686,NULL);
INSERT INTO "ledger" VALUES(11,'12ed38196eb178026f242ac65db0b3c6','08fc4407967575fd064baeb62cf103b7','adapty','test','eve','user:a4f19f1479e1e8932b4904ce','gold','{"revoke":{"level":"gold","refund":"no"}}','{"reason":"promotion_ended","promotion":"promo_2"}','confirmed',1,1749643212694,1749643212694,1749643212697,NULL);
INSERT INTO "ledger" VALUES(12,'a5b3f4dda7f5323ce7bd8c91dcd110de',NULL,'adapty','test','fay','stripe:cus_7f73h4obdpsx4a','gold','{"grant":{"level":"gold","until":{"at":"2065-06-01T21:00:00Z"},"starts_at":"2025-06-01T19:00:00Z","store":"stripe","transaction":{"original":"sub_v269g4ntiuwpd50ubptbqe4d","id":"sub_v269g4ntiuwpd50ubptbqe4d","product":"prod_gold","base_plan":"price_gold","price":{"minor":19900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_v269g4ntiuwpd50ubptbqe4d","end":"2065-06-01T19:00:00Z"}','confirmed',1,1749643212749,1749643212749,1749643212754,NULL);
INSERT INTO "ledger" VALUES(13,'05c43f4acdfda7351f1a8ee3ffa0a072','a5b3f4dda7f5323ce7bd8c91dcd110de','adapty','test','fay','user:fd792e8309c441bcbaa69d93','gold','{"revoke":{"level":"gold","refund":"no"}}','{"reason":"blocked"}','confirmed',1,1749643214770,1749643214770,1749643214773,NULL);
INSERT INTO "ledger" VALUES(14,'b7b6295485a9d36732d34caba009a6b8',NULL,'adapty','test','ivy','stripe:cus_vp8l895z679k54','platinum','{"grant":{"level":"platinum","until":{"at":"2065-06-01T22:00:00Z"},"starts_at":"2025-06-01T20:00:00Z","store":"stripe","transaction":{"original":"sub_iw6ar94ybtxc58py5bk0bm57","id":"sub_iw6ar94ybtxc58py5bk0bm57","product":"prod_basic","base_plan":"price_basic","price":{"minor":4900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_iw6ar94ybtxc58py5bk0bm57","end":"2065-06-01T20:00:00Z"}','refused',1,1749643218864,1749643218864,1749643218871,'granting the access level at adapty: answered 400 (status 400, `paid_access_level_does_not_exist`)');
INSERT INTO "ledger" VALUES(15,'9d51bb1986a689ad728912e11d276ef6',NULL,'adapty','test','oli','stripe:cs_test_who7w9jkklsktd97mp2nteksj69r0dfsdqdu5b44vqf9c4m01m0pnfmw8g','gold','{"grant":{"level":"gold","until":"lifetime","starts_at":"2025-06-02T00:00:00Z","store":"stripe","transaction":{"original":"pi_6zzb2lbfhv0g93l8s9h3nb8i","id":"pi_6zzb2lbfhv0g93l8s9h3nb8i","product":"prod_life","base_plan":"price_life","price":{"minor":4999,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"bought_once","payment":"pi_6zzb2lbfhv0g93l8s9h3nb8i","until":"lifetime"}','confirmed',1,1749643219046,1749643219046,1749643219056,NULL);
INSERT INTO "ledger" VALUES(16,'d0d737f4a184e985cf1b0069a9380328',NULL,'adapty','test','pam','stripe:cus_09ytiuankodt8s','premium','{"grant":{"level":"premium","until":{"at":"2065-06-02T03:00:00Z"},"starts_at":"2025-06-02T01:00:00Z","store":"stripe","transaction":{"original":"sub_owwy1u96pu156nm2riy0eq8v","id":"sub_owwy1u96pu156nm2riy0eq8v","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_owwy1u96pu156nm2riy0eq8v","end":"2065-06-02T01:00:00Z"}','dropped',1,1749643222454,1749643221204,1749643221257,NULL);
INSERT INTO "ledger" VALUES(17,'690963f78dc1d728dc9284895dfd9011',NULL,'adapty','test','lou','stripe:cus_x19ezbknux6c9o','premium','{"grant":{"level":"premium","until":{"at":"2065-06-02T05:00:00Z"},"starts_at":"2025-06-02T03:00:00Z","store":"stripe","transaction":{"original":"sub_lo83jbj6z3a4u076qojo9f9r","id":"sub_lo83jbj6z3a4u076qojo9f9r","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_lo83jbj6z3a4u076qojo9f9r","end":"2065-06-02T03:00:00Z"}','confirmed',1,1749643221287,1749643221287,1749643221292,NULL);
INSERT INTO "ledger" VALUES(18,'8641f37616716e58ae1ebda5a41e0435','690963f78dc1d728dc9284895dfd9011','adapty','test','lou','stripe:cus_x19ezbknux6c9o','premium','{"revoke":{"level":"premium","refund":"no"}}','{"reason":"nothing_gives_it"}','intended',3,1749643231763,1749643223312,NULL,'revoking the access level at adapty: answered 500 (status 500, `internal`)');
INSERT INTO "ledger" VALUES(19,'f610a822c05153da8ca6de1e7a8e2c8f',NULL,'adapty','test','max','stripe:cus_x19ezbknux6c9o','premium','{"grant":{"level":"premium","until":{"at":"2065-06-02T05:00:00Z"},"starts_at":"2025-06-02T03:00:00Z","store":"stripe","transaction":{"original":"sub_lo83jbj6z3a4u076qojo9f9r","id":"sub_lo83jbj6z3a4u076qojo9f9r","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_lo83jbj6z3a4u076qojo9f9r","end":"2065-06-02T03:00:00Z"}','confirmed',1,1749643223316,1749643223316,1749643223322,NULL);
INSERT INTO "ledger" VALUES(20,'484e2e6d6f4ef0b9ff28d8b0b53d9f4d',NULL,'adapty','test','hal','stripe:cus_lb9fqg2bngnzai','premium','{"grant":{"level":"premium","until":{"at":"2065-06-02T06:00:00Z"},"starts_at":"2025-06-02T04:00:00Z","store":"stripe","transaction":{"original":"sub_8iolag1uslbrlnxukaadanal","id":"sub_8iolag1uslbrlnxukaadanal","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_8iolag1uslbrlnxukaadanal","end":"2065-06-02T04:00:00Z"}','intended',3,1749643231150,1749643223352,NULL,'granting the access level at adapty: answered 500 (status 500, `internal`)');
INSERT INTO "ledger" VALUES(25,'64db1626cbf4e6eb8691c2ee0626fe4c',NULL,'adapty','test','gus','stripe:cus_b0qzd6h4uxopc6','premium','{"grant":{"level":"premium","until":{"at":"2065-06-02T08:00:00Z"},"starts_at":"2025-06-02T06:00:00Z","store":"stripe","transaction":{"original":"sub_z7o4wqfnzis14ubmoirrw4c9","id":"sub_z7o4wqfnzis14ubmoirrw4c9","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null},"sandbox":true}}','{"reason":"paid","chain":"sub_z7o4wqfnzis14ubmoirrw4c9","end":"2065-06-02T06:00:00Z"}','intended',0,1749643226846,1749643226846,NULL,NULL);
CREATE TABLE limits (
    name       TEXT    NOT NULL PRIMARY KEY,     -- upstream:hash of its key
    full_at    INTEGER NOT NULL,                 -- microseconds since 1970
    held_until INTEGER NOT NULL DEFAULT 0        -- the upstream asked to be left alone until then
) WITHOUT ROWID;
CREATE TABLE links (
    account   TEXT    NOT NULL PRIMARY KEY,
    customer  TEXT    NOT NULL,
    origin    TEXT    NOT NULL,                  -- a source of identity.user_id, or operator
    learnt_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "links" VALUES('stripe:cs_test_who7w9jkklsktd97mp2nteksj69r0dfsdqdu5b44vqf9c4m01m0pnfmw8g','oli','checkout_session.client_reference_id',1749643219039);
INSERT INTO "links" VALUES('stripe:cus_09ytiuankodt8s','pam','subscription.metadata.customer_user_id',1749643221200);
INSERT INTO "links" VALUES('stripe:cus_4lr26zqmjqra3g','dan','operator',1749643204657);
INSERT INTO "links" VALUES('stripe:cus_7f73h4obdpsx4a','fay','subscription.metadata.customer_user_id',1749643212746);
INSERT INTO "links" VALUES('stripe:cus_7tghoign9hir2k','cleo','subscription.metadata.customer_user_id',1749643204592);
INSERT INTO "links" VALUES('stripe:cus_b0qzd6h4uxopc6','gus','subscription.metadata.customer_user_id',1749643226842);
INSERT INTO "links" VALUES('stripe:cus_ij8mjen3k5975y','jon','subscription.metadata.customer_user_id',1749643218904);
INSERT INTO "links" VALUES('stripe:cus_jx5zbdmy11171h','ben','checkout_session.client_reference_id',1749643204542);
INSERT INTO "links" VALUES('stripe:cus_lb9fqg2bngnzai','hal','subscription.metadata.customer_user_id',1749643223344);
INSERT INTO "links" VALUES('stripe:cus_vp8l895z679k54','ivy','subscription.metadata.customer_user_id',1749643218859);
INSERT INTO "links" VALUES('stripe:cus_w34hk85a830kgn','ana','subscription.metadata.customer_user_id',1749643200406);
INSERT INTO "links" VALUES('stripe:cus_x19ezbknux6c9o','max','operator',1749643221316);
INSERT INTO "links" VALUES('user:a4f19f1479e1e8932b4904ce','eve','operator',1749643210785);
INSERT INTO "links" VALUES('user:cbcc47e2e1850b045de9176f','ana','operator',1749643202578);
INSERT INTO "links" VALUES('user:fd792e8309c441bcbaa69d93','fay','operator',1749643216888);
CREATE TABLE notes (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "notes" VALUES('apps','["adapty"]');
INSERT INTO "notes" VALUES('catalog','[[{"sold":{"product":"prod_premium"},"level":"premium","vendor_product_id":null,"term":null},{"sold":{"product":"prod_gold"},"level":"gold","vendor_product_id":null,"term":null},{"sold":{"price":"price_basic"},"level":"platinum","vendor_product_id":null,"term":null},{"sold":{"price":"price_life"},"level":"gold","vendor_product_id":null,"term":"lifetime"}]]');
INSERT INTO "notes" VALUES('catch_up','2025-06-11T12:00:00.328528881+00:00');
INSERT INTO "notes" VALUES('clean_up','2025-06-11T12:00:00.363190847+00:00');
INSERT INTO "notes" VALUES('clean_up of ledger','0');
INSERT INTO "notes" VALUES('rounds','[{"started_at":"2025-06-11T12:00:19.096788117Z","finished_at":"2025-06-11T12:00:21.181345525Z","accounts":13,"differences":[{"account":"stripe:cus_vp8l895z679k54","user":"ivy","app":"adapty","level":"platinum","owed_until":"2065-06-01T22:00:00Z","shown_until":null,"since":null,"reason":"refused: granting the access level at adapty: answered 400 (status 400, `paid_access_level_does_not_exist`)","action":"failed: it is still there"}],"repaired":0,"failed":1,"in_motion":0,"failures":[],"double_subscriptions":[],"not_witnessed":0,"not_asked":0}]');
INSERT INTO "notes" VALUES('rounds since','2025-06-11T12:00:00.362825087+00:00');
CREATE TABLE orders (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    kind        TEXT    NOT NULL,                -- grant, revoke, block, unblock, describe, forget
    subject     TEXT    NOT NULL,                -- the level, or the names of details
    promotion   INTEGER,                         -- of a grant
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    ordered_at  INTEGER NOT NULL
);
INSERT INTO "orders" VALUES(1,'ana','adapty','describe','plan, seats, tier',NULL,'crm','',1749643200494);
INSERT INTO "orders" VALUES(2,'ana','adapty','describe','tier',NULL,'crm','gone',1749643202578);
INSERT INTO "orders" VALUES(3,'eve','adapty','grant','premium',1,'anna','campaign',1749643206674);
INSERT INTO "orders" VALUES(4,'eve','adapty','grant','gold',2,'anna','mistake',1749643208729);
INSERT INTO "orders" VALUES(5,'eve','adapty','revoke','gold',NULL,'bob','mistake',1749643210785);
INSERT INTO "orders" VALUES(6,'fay','adapty','block','gold',NULL,'anna','fraud',1749643212771);
INSERT INTO "orders" VALUES(7,'fay','adapty','block','premium',NULL,'anna','fraud',1749643214828);
INSERT INTO "orders" VALUES(8,'fay','adapty','unblock','premium',NULL,'bob','harmless',1749643216888);
CREATE TABLE parked (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT    NOT NULL,
    account  TEXT    NOT NULL,
    customer TEXT,
    subject  TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    hint     TEXT    NOT NULL,
    since    INTEGER NOT NULL,
    dropped  TEXT,                               -- why an operator dropped it
    UNIQUE (kind, account, subject)
);
INSERT INTO "parked" VALUES(3,'refused_step','stripe:cus_vp8l895z679k54','ivy','b7b6295485a9d36732d34caba009a6b8','the grant of `platinum` was refused: granting the access level at adapty: answered 400 (status 400, `paid_access_level_does_not_exist`)','make the access level `platinum` known to the destination, then `grantsync parked release`',1749643218871,NULL);
INSERT INTO "parked" VALUES(5,'unmapped_price','stripe:cus_ij8mjen3k5975y','jon','price_unmapped','`sub_6q6s2e1mpbezwwf2exqpcv61` sells price `price_unmapped` of product `prod_unmapped`, which no [[catalog]] entry maps','add a [[catalog]] entry with `price = "price_unmapped"` or `product = "prod_unmapped"` and its access_level, or `ignore = true` when it is to open nothing, then restart; it is released by itself',1749643218909,NULL);
INSERT INTO "parked" VALUES(7,'unknown_customer','stripe:cus_ldoouj4rdoqu6s',NULL,'stripe:cus_ldoouj4rdoqu6s','none of `identity.user_id` (subscription.metadata.customer_user_id, checkout_session.client_reference_id, checkout_session.metadata.customer_user_id, customer.metadata.customer_user_id) names an app user','set the metadata at Stripe, or run `grantsync link stripe:cus_ldoouj4rdoqu6s USER`; it is released by itself',1749643218939,NULL);
INSERT INTO "parked" VALUES(9,'unknown_customer','stripe:cus_97o6l41g7mrx7m',NULL,'stripe:cus_97o6l41g7mrx7m','none of `identity.user_id` (subscription.metadata.customer_user_id, checkout_session.client_reference_id, checkout_session.metadata.customer_user_id, customer.metadata.customer_user_id) names an app user','set the metadata at Stripe, or run `grantsync link stripe:cus_97o6l41g7mrx7m USER`; it is released by itself',1749643218971,'old-shop');
INSERT INTO "parked" VALUES(12,'unreadable_event','stripe:unreadable_b2b8cbbc9341997bb94118d5',NULL,'stripe:unreadable_b2b8cbbc9341997bb94118d5','the body is JSON but no event: missing `created`','its body is kept in the inbox: report it, then `grantsync parked drop`',1749643221269,NULL);
CREATE TABLE promotions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    level       TEXT    NOT NULL,
    until       INTEGER,                         -- NULL: for life
    request     TEXT    UNIQUE,                  -- whoever asks twice under one id is given once
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    given_at    INTEGER NOT NULL,
    ended_at    INTEGER,                         -- an operator ended it before its time
    ended_by    TEXT,
    ended_why   TEXT,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
INSERT INTO "promotions" VALUES(1,'eve','adapty','premium',3786912000000,'r-1','anna','campaign',1749643206674,NULL,NULL,NULL);
INSERT INTO "promotions" VALUES(2,'eve','adapty','gold',NULL,NULL,'anna','mistake',1749643208729,1749643210785,'bob','mistake');
CREATE TABLE statuses (
    customer TEXT    NOT NULL PRIMARY KEY,
    status   TEXT    NOT NULL,                   -- JSON
    as_of    INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "statuses" VALUES('ana','{"levels":[{"level":"premium","until":{"at":"2065-06-01T15:00:00Z"},"will_renew":true,"in_grace":false,"billing_issue":false,"store":"stripe","because":"`sub_ka3njs4sd9owadihp0xikz4q` is paid to 2065-06-01T13:00:00Z and renews"}],"double_subscription":false}',1749643204477);
INSERT INTO "statuses" VALUES('ben','{"levels":[{"level":"gold","until":null,"will_renew":false,"in_grace":false,"billing_issue":false,"store":null,"because":"`in_vrhaed0gbdtcfthw8ozwcd1n` was refunded in full"}],"double_subscription":false}',1749643204578);
INSERT INTO "statuses" VALUES('cleo','{"levels":[{"level":"premium","until":null,"will_renew":false,"in_grace":false,"billing_issue":false,"store":null,"because":"`sub_v0fm82v6enm3zpp1ixxyag2n` ended at 2025-06-01T17:00:00Z"}],"double_subscription":false}',1749643204621);
INSERT INTO "statuses" VALUES('dan','{"levels":[{"level":"premium","until":{"at":"2065-06-01T20:00:00Z"},"will_renew":true,"in_grace":false,"billing_issue":false,"store":"stripe","because":"`sub_rs67pj55owf2mib6h333pm3j` is paid to 2065-06-01T18:00:00Z and renews"}],"double_subscription":false}',1749643206663);
INSERT INTO "statuses" VALUES('eve','{"levels":[{"level":"gold","until":null,"will_renew":false,"in_grace":false,"billing_issue":false,"store":null,"because":"promotion `promo_2` was ended"},{"level":"premium","until":{"at":"2090-01-01T00:00:00Z"},"will_renew":false,"in_grace":false,"billing_issue":false,"store":"adapty","because":"promotion `promo_1`, lasting until 2090-01-01T00:00:00Z"}],"double_subscription":false}',1749643212697);
INSERT INTO "statuses" VALUES('fay','{"levels":[{"level":"gold","until":null,"will_renew":false,"in_grace":false,"billing_issue":false,"store":null,"because":"an operator blocked it; `unblock` ends that"}],"double_subscription":false}',1749643218795);
INSERT INTO "statuses" VALUES('hal','{"levels":[{"level":"premium","until":{"at":"2065-06-02T06:00:00Z"},"will_renew":true,"in_grace":false,"billing_issue":false,"store":"stripe","because":"`sub_8iolag1uslbrlnxukaadanal` is paid to 2065-06-02T04:00:00Z and renews"}],"double_subscription":false}',1749643226582);
INSERT INTO "statuses" VALUES('ivy','{"levels":[{"level":"platinum","until":{"at":"2065-06-01T22:00:00Z"},"will_renew":true,"in_grace":false,"billing_issue":false,"store":"stripe","because":"`sub_iw6ar94ybtxc58py5bk0bm57` is paid to 2065-06-01T20:00:00Z and renews"}],"double_subscription":false}',1749643221069);
INSERT INTO "statuses" VALUES('jon','{"levels":[],"double_subscription":false}',1749643218918);
INSERT INTO "statuses" VALUES('lou','{"levels":[],"double_subscription":false}',1749643226793);
INSERT INTO "statuses" VALUES('max','{"levels":[{"level":"premium","until":{"at":"2065-06-02T05:00:00Z"},"will_renew":true,"in_grace":false,"billing_issue":false,"store":"stripe","because":"`sub_lo83jbj6z3a4u076qojo9f9r` is paid to 2065-06-02T03:00:00Z and renews"}],"double_subscription":false}',1749643226793);
INSERT INTO "statuses" VALUES('oli','{"levels":[{"level":"gold","until":"lifetime","will_renew":false,"in_grace":false,"billing_issue":false,"store":"stripe","because":"bought once with `pi_6zzb2lbfhv0g93l8s9h3nb8i`, lasting for life"}],"double_subscription":false}',1749643219056);
INSERT INTO "statuses" VALUES('pam','{"levels":[{"level":"premium","until":null,"will_renew":false,"in_grace":false,"billing_issue":false,"store":null,"because":"`sub_owwy1u96pu156nm2riy0eq8v` ended at 2025-06-02T02:00:00Z"}],"double_subscription":false}',1749643221258);
CREATE TABLE turns (
    task        TEXT    NOT NULL PRIMARY KEY,
    owner       TEXT    NOT NULL,
    lease_until INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "turns" VALUES('clean_up','28658-5aa1de9230ab5f1d',1749643200375);
INSERT INTO "turns" VALUES('round','28658-5aa1de9230ab5f1d',1749643220362);
INSERT INTO "turns" VALUES('worker 28658-5aa1de9230ab5f1d','28658-5aa1de9230ab5f1d',1749643237361);
CREATE TABLE witnessed (
    customer TEXT    NOT NULL PRIMARY KEY,
    levels   TEXT    NOT NULL,                   -- JSON
    as_of    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE worklist (
    account     TEXT    NOT NULL PRIMARY KEY,
    customer    TEXT,                            -- the app user it belongs to, once known
    due_at      INTEGER,                         -- NULL: at rest
    class       INTEGER NOT NULL DEFAULT 0 CHECK (class IN (0, 1, 2)),   -- 0 fresh, 1 again, 2 bulk
    generation  INTEGER NOT NULL DEFAULT 0,      -- raised by bells; a look that was overtaken by one leaves the account due
    rung_at     INTEGER,                         -- the first bell not yet answered by a look
    lease       TEXT,
    lease_until INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,      -- looks that failed in a row
    failing_since INTEGER,                       -- when the first of them failed
    trouble     TEXT,                            -- why the last look failed
    settled_at  INTEGER, asked INTEGER NOT NULL DEFAULT 0 CHECK (asked IN (0, 1)),                         -- when the last look ended well
    CHECK ((lease IS NULL) = (lease_until IS NULL))
) WITHOUT ROWID;
INSERT INTO "worklist" VALUES('stripe:cs_test_who7w9jkklsktd97mp2nteksj69r0dfsdqdu5b44vqf9c4m01m0pnfmw8g','oli',NULL,1,1,NULL,NULL,NULL,0,NULL,NULL,1749643219056,0);
INSERT INTO "worklist" VALUES('stripe:cus_09ytiuankodt8s','pam',1749643251257,1,4,NULL,NULL,NULL,0,NULL,NULL,1749643221258,0);
INSERT INTO "worklist" VALUES('stripe:cus_4lr26zqmjqra3g','dan',3011112000000,1,4,NULL,NULL,NULL,0,NULL,NULL,1749643206663,0);
INSERT INTO "worklist" VALUES('stripe:cus_7f73h4obdpsx4a','fay',3011115600000,1,3,NULL,NULL,NULL,0,NULL,NULL,1749643212760,0);
INSERT INTO "worklist" VALUES('stripe:cus_7tghoign9hir2k','cleo',3011104800000,1,4,NULL,NULL,NULL,0,NULL,NULL,1749643204621,0);
INSERT INTO "worklist" VALUES('stripe:cus_86qh2ljzhenmbc',NULL,1749643237080,1,3,1749643223350,NULL,NULL,4,1749643223355,'charges of `cus_86qh2ljzhenmbc` at stripe: answered 500 (status 500, `api_error`)',NULL,0);
INSERT INTO "worklist" VALUES('stripe:cus_97o6l41g7mrx7m',NULL,NULL,1,3,NULL,NULL,NULL,0,NULL,NULL,1749643218981,0);
INSERT INTO "worklist" VALUES('stripe:cus_b0qzd6h4uxopc6','gus',1749643226835,0,3,1749643226835,'28658-5aa1de9230ab5f1d/47',1749643236361,0,NULL,NULL,NULL,0);
INSERT INTO "worklist" VALUES('stripe:cus_ij8mjen3k5975y','jon',NULL,1,3,NULL,NULL,NULL,0,NULL,NULL,1749643218918,0);
INSERT INTO "worklist" VALUES('stripe:cus_jx5zbdmy11171h','ben',3011097600000,1,5,NULL,NULL,NULL,0,NULL,NULL,1749643204578,0);
INSERT INTO "worklist" VALUES('stripe:cus_lb9fqg2bngnzai','hal',1749643231150,1,3,NULL,NULL,NULL,0,NULL,NULL,1749643226582,0);
INSERT INTO "worklist" VALUES('stripe:cus_ldoouj4rdoqu6s',NULL,NULL,1,3,NULL,NULL,NULL,0,NULL,NULL,1749643218948,0);
INSERT INTO "worklist" VALUES('stripe:cus_vp8l895z679k54','ivy',3011119200000,1,4,NULL,NULL,NULL,0,NULL,NULL,1749643221069,0);
INSERT INTO "worklist" VALUES('stripe:cus_w34hk85a830kgn','ana',3011094000000,1,3,NULL,NULL,NULL,0,NULL,NULL,1749643200445,0);
INSERT INTO "worklist" VALUES('stripe:cus_x19ezbknux6c9o','max',1749643231763,1,4,NULL,NULL,NULL,0,NULL,NULL,1749643226793,0);
INSERT INTO "worklist" VALUES('stripe:cus_zuq04bysov5cd0',NULL,1749643226856,0,3,1749643226856,'28658-5aa1de9230ab5f1d/48',1749643236361,0,NULL,NULL,NULL,0);
INSERT INTO "worklist" VALUES('user:a4f19f1479e1e8932b4904ce','eve',3786912000000,1,3,NULL,NULL,NULL,0,NULL,NULL,1749643212697,0);
INSERT INTO "worklist" VALUES('user:cbcc47e2e1850b045de9176f','ana',3011094000000,1,2,NULL,NULL,NULL,0,NULL,NULL,1749643204477,0);
INSERT INTO "worklist" VALUES('user:fd792e8309c441bcbaa69d93','fay',3011115600000,1,3,NULL,NULL,NULL,0,NULL,NULL,1749643218795,0);
CREATE INDEX inbox_account ON inbox (account, received) WHERE account IS NOT NULL;
CREATE INDEX worklist_due ON worklist (class, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX worklist_leased ON worklist (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX worklist_failing ON worklist (account) WHERE attempts > 0;
CREATE INDEX worklist_customer ON worklist (customer) WHERE customer IS NOT NULL;
CREATE INDEX links_customer ON links (customer);
CREATE INDEX ledger_customer ON ledger (customer, destination, environment, subject, seq);
CREATE INDEX ledger_open ON ledger (account) WHERE state = 'intended';
CREATE INDEX parked_account ON parked (account);
CREATE INDEX inbox_received ON inbox (received);
CREATE INDEX promotions_customer ON promotions (customer, destination);
CREATE INDEX orders_customer ON orders (customer, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('orders',8);
INSERT INTO "sqlite_sequence" VALUES('ledger',25);
INSERT INTO "sqlite_sequence" VALUES('parked',12);
INSERT INTO "sqlite_sequence" VALUES('promotions',2);
COMMIT;
