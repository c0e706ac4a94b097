# ruff: noqa: E501  # patterns and word lists read best unbroken
"""Words that name a credential, in the languages people write prompts in, and words that merely surround one.

Classes: `password` (the value may be something a person chose), `key` (the value was drawn by a machine), `weak`
(everyday words that lend a random-looking token some context), `hash` (words that explain such a token harmlessly).
"""

PASSWORD_WORDS: tuple[str, ...] = tuple(
    """password|passwd|passwort|kennwort|passphrase|passcode|pass-phrase|pass_phrase|pwd|pswd|passwrd|pass|pw|psw|userpwd|user pw
    contraseña|contrasena|clave|palabra de paso|clave de acceso|mot de passe|mdp|code secret|parola d'ordine|parola|senha|palavra-passe
    wachtwoord|hasło|haslo|heslo|пароль|пароля|паролем|пароли|кодовое слово|密码|密碼|口令|暗証番号|パスワード|パスコード|合言葉|비밀번호|패스워드|비번|암호
    şifre|sifre|şifresi|lösenord|lösen|passord|adgangskode|kodeord|salasana|jelszó|jelszo|κωδικός|κωδικος|συνθηματικό|كلمة المرور|كلمة السر|الرقم السري
    סיסמה|סיסמא|पासवर्ड|পাসওয়ার্ড|mật khẩu|mat khau|รหัสผ่าน|kata sandi|sandi|kata laluan|parolă|лозинка|slaptažodis|parool|geslo|zaporka|lozinka|fjalëkalimi
    گذرواژه|رمز عبور|пинкод|пин-код|pin code|pin-code|pincode|pin kodu|pin|пин|pin number|otp secret|totp secret|otp seed|mfa secret|2fa secret|totp
    unlock code|safe code|lock code|access code|entry pin|unlock pin|door code|alarm code|gate code|entry code|safe combination|wifi key|wpa2 key|wpa key|psk=|psk =|pre-shared key|preshared key|wpa-psk|wlan-schlüssel|become_pass|user_pass|db_pass|dbpass
    rootpw|sudo_pass|requirepass|masterauth|ssh_pass|bind_pw|bindpw|identified by|login is|logins|zugangsdaten|credentials are|creds""".replace(
        "\n", "|"
    ).split("|")
)

KEY_WORDS: tuple[str, ...] = tuple(
    """api key|api-key|api_key|apikey|api keys|api token|api-token|api_token|apitoken|api secret|api_secret|apisecret|access key|access-key|access_key|accesskey
    access token|access-token|access_token|accesstoken|auth token|auth_token|auth-token|authtoken|secret key|secret-key|secret_key|secretkey|secret access key|secret_access_key
    client secret|client_secret|client-secret|clientsecret|app secret|app_secret|appsecret|app key|app_key|appkey|application key|application_key|consumer secret|consumer_secret|consumer key|consumer_key
    private key|private_key|private-key|privatekey|private token|private_token|bearer|bearer token|refresh token|refresh_token|refreshtoken|id_token|session token|session_token|sessiontoken
    session key|session id|session_id|sessionid|signing key|signing_key|signing secret|signing_secret|encryption key|encryption_key|master key|master_key|master_secret|license key|license_key|licence key|licensekey
    deploy key|deploy_key|deploy token|webhook secret|webhook_secret|webhook|shared secret|shared_secret|service key|service_key|subscription key|subscription_key|ocp-apim|instrumentation key|connection string|connectionstring
    personal access token|pat |bot token|bot_token|bot key|user key|user_key|server key|server_key|integration key|integration_key|publishable key|admin key|admin_key|root token|root key|credential|credentials|secret|secrets|secret_key_base|app_key
    account_key|accountkey|storage key|sas token|sas_token|sharedaccess|jwt|oauth|oauth_token|x-api-key|x-auth|authorization|hmac|salt|cookie|csrf|seed
    clé api|clé d'api|cle api|clé secrète|clé privée|jeton d'accès|jeton|clave api|clave de api|clave secreta|clave privada|token de acceso|chiave api|chiave segreta|chiave privata|chave de api|chave api|chave secreta
    api-schlüssel|api schlüssel|schlüssel|zugriffstoken|zugangstoken|geheimer schlüssel|api-sleutel|sleutel|klucz api|klucz|api klíč|api-ключ|api ключ|ключ api|секретный ключ|ключ доступа|токен доступа|токен|секрет
    apiキー|アクセスキー|アクセストークン|シークレット|トークン|秘密鍵|api 密钥|api密钥|密钥|秘钥|令牌|访问令牌|金鑰|api 키|api키|액세스 토큰|토큰|시크릿|비밀키|مفتاح|رمز الوصول|מפתח|एपीआई कुंजी|api anahtarı|anahtar|api-nyckel|nyckel|api-nøgle|api-avain|api kulcs|khóa api|kunci api""".replace(
        "\n", "|"
    ).split("|")
)

WEAK_WORDS: tuple[str, ...] = tuple(
    """key|keys|token|tokens|auth|login|username|user name|userid|user_id|account|sid|curl|header|headers|sdk|client|endpoint|integration|vendor|service|workspace|admin|sandbox|production|staging|rotate|expired|401|403|unauthorized
    sandbox_|appid|app_id|app id|client_id|client id|license|licence|serial|activation|vault|deploy|connect|config|env|export|api|hook|bot|usuario|benutzer|utilisateur|用户|ユーザー|계정|아이디""".replace(
        "\n", "|"
    ).split("|")
)

VENDOR_WORDS: tuple[str, ...] = tuple(
    """abstractapi|abuseipdb|accuweather|activecampaign|adafruit|adobe|adyen|agora|aha|ahrefs|aircall|airbrake|airship|airtable|airvisual|alchemy|algolia|alibaba|alienvault|alphavantage|amadeus|amplitude|anthropic|apify|apilayer|apitemplate|apollo.io|appdynamics|appfollow|applovin|appsflyer|appveyor|artifactory|asana|assemblyai|atera|atlassian|auth0|autodesk|autopilot|aviationstack|avaza|aweber|axonaut|aylien|azure
    bamboohr|bannerbear|baremetrics|baseten|beamer|bearer|beebole|besttime|billomat|binance|bitbucket|bitfinex|bitly|bitmex|blablabus|blazemeter|blitapp|blogger|boostnote|borgbase|box.com|braintree|braze|brevo|brightdata|browserstack|budibase|bugherd|bugsnag|buildkite|bulbul|bunny|buttercms|calendarific|calendly|campaign monitor|cannyio|capsule|captaindata|cashboard|censys|centralstation|chargebee|chartmogul|checkmarket|checkout.com|circleci|clarifai|clearbit|clickhelp|clicksend|clickup|cliengo|clinchpad|clockify|cloudconvert|cloudelements|cloudflare|cloudimage|cloudinary|cloudmersive|cloudsmith|cloverly|cloze|clustdoc|coda|codacy|codeclimate|codecov|codemagic|coinapi|coinbase|coingecko|coinlayer|coinlib|coinmarketcap|commercejs|companyhub|confluent|contentful|contentstack|convertkit|convertapi|convier|copper|countrylayer|courier|coveralls|coqui|crowdin|cryptocompare|currencylayer|currencyfreaks|currents|customer.io|customerguru
    d7network|dailyco|dandelion|dareboost|databox|databricks|datadog|datagov|deepai|deepgram|deepl|deepseek|delighted|demio|deputy|detectify|detectlanguage|dfuse|diffbot|digitalocean|discogs|discord|disqus|ditto|dnscheck|dockerhub|docparser|documo|docusign|doppler|dotdigital|dovico|draftable|dreamstudio|drift|dronahq|droneci|dropbox|duply|dwolla|dynalist|dynatrace|dyspatch|eagleeye|easyinsight|ecostruxure|edamam|edenai|eightxeight|elasticemail|elevenlabs|enablex|endorlabs|enigma|ethplorer|etherscan|etsy|eventbrite|everhour|exchangerate|eventstore|facebook|faceplusplus|fastforex|fastly|feedier|fetchrss|fibery|figma|fileio|findl|finage|fincra|finnhub|fixer.io|flatio|fleetbase|flexport|flickr|flightapi|flightlabs|flightstats|float|flowflu|flutterwave|fmfw|formbucket|formcraft|formio|formsite|foursquare|frameio|freshbooks|freshdesk|freshsales|front|fulcrum|fullstory|fusebill|fxmarket
    geckoboard|gemini|gengo|geoapify|geocode|geocodify|geocodio|geoipify|getemail|getgeoapi|getgist|getresponse|getsandbox|ghost|giphy|github|gitea|gitlab|gitter|glassnode|gocanvas|gocardless|goodday|goodreads|grafana|graphcms|graphhopper|greenhouse|groovehq|groq|gtmetrix|guardianapi|gumroad|guru|gyazo|happyscribe|harness|harvest|hashicorp|hellosign|helpcrunch|helpscout|here.com|hereapi|heroku|hetzner|hive|hiveage|holidayapi|holistic|honeycomb|host.io|html2pdf|hubspot|huggingface|hugging face|humanity|hunter.io|hybiscus|hypertrack|ibm cloud|iconfinder|iexcloud|imagekit|imagga|impala|infobip|infura|insightly|instagram|instamojo|intercom|interseller|intra42|intrinio|invoiceocean|ip2location|ipapi|ipdata|ipgeolocation|ipify|ipinfo|ipquality|ipstack|jenkins|jina|jira|jotform|jumpcloud|juro|jumpseller|kairos|kaleyra|kanban|karmacrm|keenio|kickbox|klaviyo|klipfolio|knapsack|kontent|kraken|kucoin|kylas
    lambdatest|langchain|langfuse|langsmith|larksuite|launchdarkly|leadfeeder|lemlist|lemonsqueezy|lendflow|lessannoying|lexigram|line messaging|linear|linenotify|linkedin|linkpreview|linode|liveagent|livestorm|loadmill|lob|locationiq|loggly|loginradius|logzio|lokalise|loyverse|lunchmoney|luno|loganalytics|mailboxlayer|mailchimp|mailerlite|mailersend|mailgun|mailjet|mailmodo|mailsac|mandrill|mapbox|mapquest|marketstack|mattermost|mavenlink|maxmind|meaningcloud|mediastack|meistertask|meraki|mesibo|messagebird|metaapi|metabase|metrilo|mindmeister|miro|mistral|mite|mixmax|mixpanel|mockaroo|moderation|monday.com|monkeylearn|moonclerk|moosend|moralis|mrticktock|mux|myfreshworks|myintervals|nasdaq|nethunt|netlify|netsuite|neutrino|newrelic|new relic|newsapi|newscatcher|nexmo|nftport|ngrok|nicereply|nightfall|nimble|nitro|noticeable|notion|nozbe|npm|nvapi|nvidia|nutritionix|nylas|nytimes
    okta|omnisend|onedesk|onelogin|onepagecrm|onesignal|onfleet|oopspam|openai|opencage|opencorporates|opengraph|openrouter|openuv|openweather|opsgenie|optimizely|oracle|overloop|owlbot|packagecloud|pagarme|pagerduty|pandadoc|pandascore|paperform|paralleldots|parsehub|parsers|parseur|partnerstack|pastebin|paydirt|paymo|paymongo|paypal|paystack|pdflayer|pdfshift|peopledatalabs|pepipost|percy|persona|photoroom|pinata|pinecone|pipedream|pipedrive|pivotaltracker|pixabay|planetscale|plaid|planview|planyo|plivo|podio|pollsapi|poloniex|polygon.io|portainer|positionstack|postageapi|postbacks|posthog|postman|postmark|powrbot|prefect|prismic|privacy.com|prodpad|prospect|protocols.io|proxycrawl|pubnub|pulumi|purestake|pushbullet|pusher|pushover|qase|qualaroo|qualtrics|qubole|quickbase|quickbooks|quickmetrics|quaderno|ramp|rapidapi|raven|rawg|razorpay|reachmail|readme|realphone|rebrandly|recharge|reddit|redis|refiner|rentman|repairshopr|replicate|replyio|requestfinance|restpack|rev.ai|revamp|ringcentral|riteaid|ritekit|roaring|robinhood|rocketreach|rollbar|roninapp|route4me|rownd|runpod|runrun
    salesblink|salescookie|salesflare|salesforce|salesmate|satismeter|saucelabs|sauce labs|scalewaykey|scaleway|scalr|scrapeowl|scraperapi|scraperbox|scrapestack|scrapfly|scrapingant|scrapingbee|screenshotapi|screenshotlayer|scrutinizer|securitytrails|segment|selectpdf|semantria|semaphore|sendbird|sendgrid|sendinblue|sentiment|sentry|serphouse|serpstack|serpapi|sheety|sherpadesk|shipday|shippo|shodan|shopify|shortcut|shotstack|shutterstock|signable|signalwire|signaturit|signupgenius|sigopt|simfin|simplesat|simplynoted|simvoly|sinch|sirv|siteleaf|skrapp|skybiometry|slack|smartsheet|smartystreets|smooch|snipcart|snowflake|snyk|sonarcloud|sonarqube|sourcegraph|sparkpost|speechtext|splunk|spoonacular|sportradar|sportsmonk|spotify|square|squarespace|squareup|sslmate|statuscake|statuspage|statuspal|stitchdata|stockdata|storecove|storyblok|storychief|strava|streak|stripe|stripo|stytch|sugester|sumologic|supabase|supernotes|surge|surveyanyplace|surveybot|surveymonkey|survicate|swell|swiftype|tailscale|tallyfy|tatum|tavily|taxjar|teamgate|teamwork|technicalanalysis|telegram|teletype|telnyx|terraform|text2data|textmagic|theoddsapi|thinkific|thousandeyes|ticketmaster|ticktick|tiingo|timecamp|timezoneapi|tmetric|todoist|toggl|tomorrow.io|tomtom|tradier|transferwise|travelpayouts|travisci|trello|twelvedata|twilio|twitch|twitter|tyntec|typeform|typetalk
    ubidots|uclassify|unify|unplugg|unsplash|upcdatabase|uplead|uploadcare|uptimerobot|upwave|urlscan|user.com|userflow|userstack|vagrant|vatlayer|vbout|vercel|verifier|verimail|veriphone|versioneye|viewneo|virustotal|visualcrossing|voiceflow|voicegain|vonage|vouchery|vpnapi|vultr|vyte|walkscore|wandb|weights & biases|weatherbit|weatherstack|web3storage|webex|webflow|webscraper|webscraping|wepay|wistia|wit.ai|wiz|woocommerce|wordpress|workato|workday|worksnaps|workstack|worldcoin|worldweather|wrike|xero|xai|yandex|yelp|youneedabudget|ynab|yotpo|youtube data|zapier|zeenscreen|zendesk|zenkit|zenrows|zenscrape|zenserp|zeplin|zerobounce|zerotier|zipapi|zipbooks|zipcodeapi|zipcodebase|zoho|zonka|zoom|zulip""".replace(
        "\n", "|"
    ).split("|")
)
"""Services that hand out keys."""

HASH_WORDS: tuple[str, ...] = tuple(
    """sha1|sha256|sha-256|sha512|sha384|sha-1|md5|commit|revert|cherry-pick|checkout|etag|integrity|checksum|digest|fingerprint|trace|span|correlation|request id|request_id|requestid|build|revision|blob|tree|h1:|git show|merge|rebase
    uuid|guid|hash|nonce|contract|address|txid|transaction|block|public key|public_key|publickey|pubkey|ssh-rsa|ssh-ed25519|ecdsa|begin certificate|begin public|begin cert|data:image|data:application|data:font|data:audio|data:video
    docs.google|youtube|drive.google|figma.com|notion.so|arxiv|doi|.parquet|image id|layer|manifest|go.sum|lock|content-id|message-id|boundary|etherscan|ipfs|merkle|module|chunk|asset|sourcemap|.woff|vimeo|spotify|snapshot|x-request|dataset|checkpoint|weights|thread|video""".replace(
        "\n", "|"
    ).split("|")
)


def cleaned(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without blanks and repeats; a line of plain single words counts as words."""
    found: dict[str, None] = {}
    for entry in words:
        phrase = entry.strip(" \t")
        if len(phrase) >= 2:
            found[phrase + " " if entry.endswith("pat ") else phrase] = None
    return tuple(found)
