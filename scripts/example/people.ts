/** Where the people of the example file come from. A name that is not in Latin letters has its spelling for mail beside it. */

export interface Region {
  readonly country: string
  /** `display` or `display|spelling for mail`. */
  readonly given: readonly string[]
  readonly family: readonly string[]
  readonly familyFirst?: boolean
  readonly cities: readonly string[]
  readonly streets: readonly string[]
  /** `#` is a digit of the house number, `S` the street, `C` the city, `P` the postal code. */
  readonly address: string
  /** `#` is any digit: numbers that the regulator keeps free for fiction. */
  readonly phone: string
  /** `#` is any digit, `@` any capital letter. */
  readonly postcode: string
}

/** NANPA keeps 555-0100 to 555-0199 free; people from countries without such a range have one of these. */
const NORTH_AMERICAN = '+1 202-555-01##'

export const REGIONS: readonly Region[] = [
  {
    country: 'US',
    given: ['Maya', 'Jordan', 'Elijah', 'Grace', 'Tyrone', 'Hannah', 'Marcus', 'Olivia', 'Luis', 'Dakota'],
    family: [
      'Johnson',
      'Williams',
      "O'Brien",
      'Carter',
      'Nguyen',
      'García',
      'St. James',
      'Washington',
      'Kim',
    ],
    cities: ['Portland, OR', 'Austin, TX', 'Des Moines, IA', 'Savannah, GA'],
    streets: ['Maple Avenue', 'Cedar Street', '5th Avenue, Apt 4B', 'Old Mill Road'],
    address: '### S, C P',
    phone: NORTH_AMERICAN,
    postcode: '0####',
  },
  {
    country: 'GB',
    given: ['Amelia', 'Oliver', 'Priya', 'Callum', 'Siân', 'Mohammed', 'Imogen', 'Rhys', 'Freya', 'Alasdair'],
    family: [
      'Hughes',
      'Smith-Jones',
      'Patel',
      "D'Arcy",
      'MacLeod',
      'Evans',
      'Okonkwo',
      'Fitzgerald',
      'Ahmed',
    ],
    cities: ['London', 'Leeds', 'Cardiff', 'Inverness'],
    streets: ['High Street', 'Station Road', 'Church Lane, Flat 2', 'Kingsway'],
    address: '## S, C P',
    phone: '+44 20 7946 0###',
    postcode: '@# #@@',
  },
  {
    country: 'DE',
    given: [
      'Jürgen|juergen',
      'Anneliese',
      'Lukas',
      'Zeynep',
      'Käthe|kaethe',
      'Matthias',
      'Sören|soeren',
      'Mia',
    ],
    family: [
      'Müller|mueller',
      'Weiß|weiss',
      'von der Heide|vonderheide',
      'Schröder|schroeder',
      'Yılmaz|yilmaz',
      'Koch',
    ],
    cities: ['Berlin', 'Köln', 'Würzburg', 'Rostock'],
    streets: ['Lindenstraße', 'Am Mühlenbach', 'Goethestraße', 'Hauptstraße'],
    address: 'S ##, P C',
    phone: '+49 30 23125 ###',
    postcode: '1####',
  },
  {
    country: 'FR',
    given: ['Chloé', 'Jean-Baptiste', 'Aïcha', 'Théo', 'Zoë', 'François', 'Maëlys', 'Benoît'],
    family: ['Lefèvre', "d'Aubigné", 'Moreau', 'Ben Youssef|benyoussef', 'Le Goff|legoff', 'Garnier', 'Noël'],
    cities: ['Paris', 'Lyon', 'Saint-Étienne', 'Besançon'],
    streets: ['rue de la République', 'avenue Victor Hugo', 'chemin des Prés', 'place du Marché, bât. C'],
    address: '## S, P C',
    phone: '+33 1 99 00 ## ##',
    postcode: '7####',
  },
  {
    country: 'SE',
    given: ['Åsa', 'Björn', 'Märta', 'Nils', 'Östen', 'Ingrid', 'Elsa', 'Göran'],
    family: ['Åkesson', 'Lindström', 'Öberg', 'Nyström', 'af Ugglas|afugglas', 'Bergqvist'],
    cities: ['Göteborg', 'Malmö', 'Umeå', 'Stockholm'],
    streets: ['Storgatan', 'Björkvägen', 'Södra Promenaden', 'Kungsgatan'],
    address: 'S ##, P C',
    phone: '+46 8 465 004 ##',
    postcode: '4## ##',
  },
  {
    country: 'AU',
    given: ['Kirra', 'Lachlan', 'Isla', 'Jarrah', 'Bronte', 'Angus', 'Thuy', 'Darcy'],
    family: ['Baker', 'Papadopoulos', 'Tran', 'McKenzie', 'Yunupingu', 'Walsh', 'Rossi'],
    cities: ['Hobart TAS', 'Fremantle WA', 'Darwin NT', 'Newcastle NSW'],
    streets: ['Banksia Crescent', 'Wattle Street, Unit 7', 'Esplanade', 'Gum Tree Lane'],
    address: '## S, C P',
    phone: '+61 2 5550 ####',
    postcode: '2###',
  },
  {
    country: 'JP',
    given: [
      '結衣|yui',
      '陽翔|haruto',
      '美咲|misaki',
      '健一|kenichi',
      'さくら|sakura',
      '翔太|shota',
      '恵子|keiko',
    ],
    family: [
      '佐藤|sato',
      '鈴木|suzuki',
      '髙橋|takahashi',
      '渡邉|watanabe',
      '小林|kobayashi',
      '山本|yamamoto',
    ],
    familyFirst: true,
    cities: ['東京都千代田区', '大阪市北区', '札幌市中央区', '京都市左京区'],
    streets: ['丸の内', '梅田', '大通西', '吉田本町'],
    address: '〒P CS#-#-#',
    phone: NORTH_AMERICAN,
    postcode: '1##-####',
  },
  {
    country: 'IN',
    given: ['Ananya', 'Rohan', 'Lakshmi', 'Arjun', 'Farah', 'Harpreet', 'Venkatesh', 'Ishaan'],
    family: ['Iyer', 'Sharma', 'Khan', 'Singh Gill|gill', 'Mukherjee', 'Reddy', 'Fernandes'],
    cities: ['Bengaluru', 'Mumbai', 'Kolkata', 'Kochi'],
    streets: ['MG Road', '2nd Cross, Indiranagar', 'Park Street', 'Marine Drive'],
    address: '## S, C P',
    phone: NORTH_AMERICAN,
    postcode: '5#####',
  },
  {
    country: 'BR',
    given: ['João', 'Conceição', 'Caio', 'Luísa', 'Antônio', 'Iracema', 'Thaís', 'Raí'],
    family: ['da Silva|dasilva', 'Araújo', 'dos Santos|dossantos', 'Gonçalves', 'Nakamura', 'Simões'],
    cities: ['São Paulo - SP', 'Belém - PA', 'Salvador - BA', 'Florianópolis - SC'],
    streets: ['Rua das Flores', 'Av. Getúlio Vargas', 'Travessa São João', 'Rua XV de Novembro'],
    address: 'S, ###, C, P',
    phone: NORTH_AMERICAN,
    postcode: '0####-###',
  },
  {
    country: 'NG',
    given: ['Chidinma', 'Oluwaseun', 'Tèmítọ́pẹ́|temitope', 'Aminu', 'Ngozi', 'Yusuf', 'Ebele'],
    family: ['Adébáyọ̀|adebayo', 'Okafor', 'Bello', 'Eze', 'Danjuma', 'Nwosu'],
    cities: ['Lagos', 'Kano', 'Enugu', 'Ibadan'],
    streets: ['Allen Avenue', 'Bompai Road', 'Ogui Road', 'Ring Road'],
    address: '## S, C P',
    phone: NORTH_AMERICAN,
    postcode: '1#####',
  },
  {
    country: 'EG',
    given: ['ليلى|layla', 'يوسف|youssef', 'مريم|mariam', 'عمر|omar', 'نور|nour', 'حسن|hassan'],
    family: ['عبد الرحمن|abdelrahman', 'المصري|elmasry', 'حسين|hussein', 'منصور|mansour'],
    cities: ['القاهرة', 'الإسكندرية', 'أسوان'],
    streets: ['شارع التحرير', 'شارع النيل', 'شارع الجمهورية'],
    address: '## S، C P',
    phone: NORTH_AMERICAN,
    postcode: '1####',
  },
  {
    country: 'PL',
    given: ['Małgorzata|malgorzata', 'Zbigniew', 'Agnieszka', 'Łukasz|lukasz', 'Zofia', 'Bożena'],
    family: ['Wiśniewska', 'Wójcik', 'Kowalczyk', 'Dąbrowska', 'Szymański', 'Grzebień'],
    cities: ['Kraków', 'Łódź', 'Gdańsk', 'Wrocław'],
    streets: ['ul. Świętokrzyska', 'al. Jana Pawła II', 'ul. Długa', 'os. Słoneczne'],
    address: 'S ##, P C',
    phone: NORTH_AMERICAN,
    postcode: '3#-###',
  },
]

/** What somebody wrote about a customer: with quotes, commas, line ends, emoji, and scripts of two directions. */
export const NOTES: readonly string[] = [
  'Prefers e-mail',
  'Said: "please call after 17:00, not before"',
  'Moved house,\nnew address to follow',
  'VIP 🎉',
  'Two accounts; keep both, billing is separate',
  'Line one\nLine two, with a comma\n"Line three", in quotes',
  'Allergic to nuts 🥜 (told us at the fair in Köln)',
  'Name on the card differs: "M. O\'Brien-Núñez"',
  'Complaint #2231 closed; refund of 49,90 € sent',
  '"',
  'Tab\there, and a trailing space ',
  'Familie 👨‍👩‍👧‍👦, four lines on one contract',
  'طلب الفاتورة باللغة العربية',
  '请用中文联系',
  '=SUM(A1:A3) was typed into the form as it stands here',
  'Discount: 10 %, then 5 %; see "Terms, part 2"',
  'n/a',
  'Wants a copy of all data we hold\n\n-- asked twice',
]
